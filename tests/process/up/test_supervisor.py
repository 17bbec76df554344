"""The supervisor survives its surroundings: a closed terminal, a system out of processes; and it never leaves orphans."""

from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.broker.isolate import process_tree
from src.jobs.leases import heartbeats
from src.jobs.leases.heartbeats import Role
from src.settings import Settings
from src.sql.database import Database
from src.up.data.data_folder import Folder
from src.up.parts.part import Part
from src.up.supervisor import Supervisor
from tests.harness import ROOT
from tests.harness.stores import only_on
from tests.harness.waiting import eventually

#: `./run up` on a terminal, with one part that only sleeps, or with a scheduler that may be silent for so many seconds
UP = """
import fcntl, signal, subprocess, sys, termios
from pathlib import Path
from src.settings import Settings
from src.up.checks import pulses
from src.up.parts import launch
from src.up.data.data_folder import Folder
from src.up.parts.part import Part
from src.up import supervisor
from src.up.supervisor import Supervisor

class SmallStart(supervisor.Start):
    def run(self):
        if sys.argv[2:]:
            pulses.REPLACE_AFTER_S = float(sys.argv[2])
            self._here.add("scheduler", "scheduler")
            return
        program = [sys.executable, "-c", "import time; time.sleep(300)"]
        self._here.launch(Part("worker", "worker-1", lambda: subprocess.Popen(program, start_new_session=True, preexec_fn=launch.with_supervisor())))

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as a terminal starts it; these tests may run under nohup
folder = Folder(Path(sys.argv[1]))
folder.prepare()
if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
supervisor.Start = SmallStart
running = Supervisor(folder, Settings(), report=lambda line: print(line, flush=True), echo=print)
running.run(lambda state: print(f"pid {state.parts[0].pid}", flush=True))
Path(sys.argv[1], "ended").touch()
"""


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """The supervisor, its part's pid and the master side of its terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", UP, str(tmp_path)], cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    said = b""
    while b"pid " not in said or not said.endswith(b"\n"):
        said += os.read(master, 1000)
    yield process, int(said.split()[-1]), master
    process.kill()
    process.wait()


def test_a_closed_terminal_ends_it_in_good_order_with_its_parts(up: tuple[subprocess.Popen[bytes], int, int], tmp_path: Path) -> None:
    process, part, master = up

    os.close(master)

    assert process.wait(30) == 0
    assert (tmp_path / "ended").exists()
    assert not process_tree.living([part])


def test_its_parts_end_when_it_is_killed(up: tuple[subprocess.Popen[bytes], int, int]) -> None:
    process, part, master = up

    process.kill()

    eventually(lambda: not process_tree.living([part]), what="the part has ended")
    os.close(master)


def test_it_goes_on_when_its_output_is_not_read_any_more(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", UP, str(tmp_path)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    part = int(process.stdout.readline().split()[1])
    process.stdout.close()

    os.kill(part, signal.SIGKILL)  # and prints that

    folder = Folder(tmp_path)
    eventually(lambda: [record.pid for record in folder.read_state().alive] not in ([], [part]), what="it has replaced the part")
    process.terminate()
    assert process.wait(30) == 0


@only_on("sqlite", by="database_url")  # which one plays no part here
def test_a_scheduler_that_stands_still_is_replaced(database: Database, tmp_path: Path) -> None:
    environment = {"CALLBOARD_BROKER_URL": "amqp://127.0.0.1:1/", "CALLBOARD_HEARTBEAT_INTERVAL": "0.2"}

    def beating() -> list[int]:
        with database.read() as session:
            found = [each for each in heartbeats.alive(session, Role.SCHEDULER) if each.heartbeat_at > each.started_at]
            return [each.pid for each in found[-1:]]  # its second heartbeat: it has had a pulse

    with open(tmp_path / "said", "wb") as said:
        command = [sys.executable, "-c", UP, str(tmp_path), "3"]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=said)
    try:
        eventually(beating, deadline_s=60)
        [first] = beating()
        os.kill(first, signal.SIGSTOP)
        eventually(lambda: beating() not in ([], [first]), deadline_s=60)
        assert not process_tree.living([first])
        assert "scheduler has no pulse: restarting it" in (tmp_path / "said").read_text()
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_part_that_cannot_be_started_and_a_full_disk_stop_nothing_else(tmp_path: Path) -> None:
    def refuse() -> subprocess.Popen[bytes]:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    def refuse_to_write(_state: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    said: list[str] = []
    folder = Folder(tmp_path)
    folder.prepare()
    supervisor = Supervisor(folder, Settings(), report=said.append, echo=lambda _name, _line: None)
    part = Part("worker", "worker-1", refuse)
    supervisor.installation.parts = [part]
    folder.write_state = refuse_to_write  # type: ignore[assignment]

    for _ in range(20):
        part._due_at = 0.0
        supervisor._look()

    assert [line.split(":")[0] for line in said[:2]] == ["worker-1 cannot be started", "The system refused"]
    assert len(said) == 10, "a line for the first time and for each doubling of both"
