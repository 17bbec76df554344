"""A reload replaces one worker after another, and reports when the new code is running."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from src.jobs.leases import workers
from src.sql.database import Database
from src.up.data import process_identity
from src.up.parts import reloading
from src.up.parts.part import Part
from src.up.parts.reloading import Reload
from tests.harness.waiting import eventually


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Part]]:
    """Two workers and a scheduler that end when they are asked to."""
    monkeypatch.setattr(reloading, "LOOK_EVERY", 0)
    made: list[subprocess.Popen[bytes]] = []

    def launch() -> subprocess.Popen[bytes]:
        made.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True))
        return made[-1]

    found = [Part(name.partition("-")[0], name, launch) for name in ("scheduler", "worker-1", "worker-2")]
    for part in found:
        part.start()
    yield found
    for process in made:
        process.kill()
        process.wait()


def register(database: Database, name: str, *actors: str) -> None:
    with database.write() as session:
        id = workers.register(session, name=name, host="here", pid=1, version="1", threads=1, queues=["default"], actors=actors)
        workers.heartbeat(session, id, busy=0, frontier={})


def test_a_worker_goes_on_until_one_with_the_new_code_serves(database: Database, parts: list[Part]) -> None:
    _, first, second = parts
    register(database, "old:1", "add", "gone")
    register(database, "old:2", "add", "gone")
    said: list[str] = []
    pids = [part.record.pid for part in parts]
    reload = Reload(parts, ["hello.py"], since=0.0, report=said.append)
    assert said == ["Reloading hello.py… (one worker at a time; each finishes its jobs first)"]

    assert not reload.is_over()
    assert not reload.is_over()
    assert [part.record.pid for part in (first, second)] == pids[1:], "both take jobs"
    assert len(first.processes) == 2

    register(database, "new:1", "add", "say_hello")
    assert not reload.is_over()
    assert first.record.pid != pids[1]
    assert second.record.pid == pids[2]
    assert not reload.is_over()
    register(database, "new:2", "add", "say_hello")
    assert reload.is_over()
    assert said[-1].startswith("Reloaded hello.py: 1 new actor (say_hello), 1 removed actor (gone) in ")
    assert said[-1].endswith("; the new code serves")
    assert not {part.record.pid for part in parts} & set(pids)
    eventually(lambda: [(part.look(), len(part.processes))[1] for part in parts] == [1, 1, 1], what="the old processes have ended")
    assert [part.restarts for part in parts] == [0, 0, 0]


def test_code_that_does_not_serve_replaces_no_worker(database: Database, parts: list[Part], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    pids = [part.record.pid for part in parts]
    reload = Reload(parts, ["hello.py"], since=0.0, report=said.append)
    assert not reload.is_over()
    monkeypatch.setattr(reloading, "LONGEST", -1)
    assert reload.is_over()
    assert said[-1].endswith("worker-1, worker-2 keep the old code")
    eventually(lambda: [(part.look(), len(part.processes))[1] for part in parts] == [1, 1, 1], what="the newer worker has ended")
    assert [part.record.pid for part in parts[1:]] == pids[1:]


def test_a_worker_that_dies_during_a_reload_is_replaced_by_the_newer_one(database: Database, parts: list[Part]) -> None:
    first = parts[1]
    reload = Reload(parts, ["hello.py"], since=0.0, report=lambda _line: None)
    assert not reload.is_over()
    newer = first.processes[1].pid

    process_identity.send_group(first.record.pid, signal.SIGKILL)

    eventually(lambda: (first.look(), first.record.pid == newer)[1])
