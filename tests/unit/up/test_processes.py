"""Only our own processes are ever signalled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from src.up.data import process_identity
from src.up.data.data_folder import Folder, PartRecord, State
from src.up.parts import leftovers
from tests.harness.waiting import eventually

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(300)"]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, process_identity.MARK: str(tmp_path)}
    child = subprocess.Popen(SLEEPER, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    assert child.stdout is not None
    child.stdout.readline()
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_process_is_known_by_its_start_too(sleeper: subprocess.Popen[str]) -> None:
    identity = process_identity.identify(sleeper.pid)
    assert identity is not None

    assert process_identity.is_alive(identity)
    assert not process_identity.is_alive(replace(identity, started="elsewhen"))


def test_a_process_that_got_an_old_pid_is_left_alone(sleeper: subprocess.Popen[str]) -> None:
    process_identity.send(process_identity.Identity(sleeper.pid, "of a process long gone"), signal.SIGKILL)

    assert sleeper.poll() is None


def test_an_unread_exit_code_is_no_living_process(sleeper: subprocess.Popen[str]) -> None:
    sleeper.kill()

    eventually(lambda: process_identity.identify(sleeper.pid) is None)


def test_a_marked_process_is_found_for_its_folder_only(sleeper: subprocess.Popen[str], tmp_path: Path) -> None:
    assert [identity.pid for identity in process_identity.marked(tmp_path)] == [sleeper.pid]
    assert process_identity.marked(tmp_path / "other") == []


def test_processes_of_a_killed_supervisor_are_ended_by_record_and_by_mark(sleeper: subprocess.Popen[str], tmp_path: Path) -> None:
    child = subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL, start_new_session=True)
    identity = process_identity.identify(child.pid)
    assert identity is not None
    state = State(phase="ready", parts=(PartRecord("worker", "worker-1", child.pid, identity.started, "running", 0),))
    said: list[str] = []

    ended = leftovers.end(Folder(tmp_path), state, shutdown_timeout=1, report=said.append)

    assert ended == 2
    assert "2 processes" in said[0]
    assert child.wait(5) == -signal.SIGTERM
    assert sleeper.wait(5) == -signal.SIGTERM


def test_the_caller_and_its_ancestors_are_never_found(tmp_path: Path) -> None:
    script = f"import sys; sys.path.insert(0, '.'); from src.up.data import process_identity as p; from pathlib import Path; print(p.marked(Path({str(tmp_path)!r})))"
    environment = {**os.environ, process_identity.MARK: str(tmp_path)}

    # A shell with the mark (an actor started it) that calls ./run down must survive it, and so must ./run down itself.
    done = subprocess.run(
        ["sh", "-c", f'{sys.executable} -c "$0"; true', script], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
