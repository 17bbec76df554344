"""A reload replaces one worker after another, and reports when the new code is running."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from src.jobs.leases import workers
from src.sql.database import Database
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
        workers.register(session, name=name, host="here", pid=1, version="1", threads=1, queues=["default"], actors=actors)


def look(part: Part) -> bool:
    part.look()
    return part.running and not part.renewing


def test_one_worker_after_another_and_the_end_is_said(database: Database, parts: list[Part]) -> None:
    _, first, second = parts
    register(database, "old:1", "add", "gone")
    register(database, "old:2", "add", "gone")
    said: list[str] = []
    pids = [part.record.pid for part in parts]
    reload = Reload(parts, ["hello.py"], report=said.append)
    assert said == ["Reloading hello.py… (one worker at a time; each finishes its jobs first)"]

    assert not reload.is_over()
    eventually(lambda: look(first), what="the first worker is started again")
    assert not reload.is_over()
    assert (second.running, second.renewing, second.record.pid) == (True, False, pids[2])  # it takes jobs until the first one does

    register(database, "new:1", "add", "say_hello")
    assert not reload.is_over()
    eventually(lambda: look(second), what="the second worker is started again")
    assert not reload.is_over()
    register(database, "new:2", "add", "say_hello")
    assert reload.is_over()
    assert said[-1].startswith("Reloaded hello.py: 1 new actor (say_hello), 1 removed actor (gone) in ")
    eventually(lambda: look(parts[0]), what="the scheduler is started again")
    assert not {part.record.pid for part in parts} & set(pids)
    assert [part.restarts for part in parts] == [0, 0, 0]


def test_a_worker_that_does_not_come_back_leaves_the_others_alone(
    database: Database, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    reload = Reload(parts, ["hello.py"], report=said.append)
    assert not reload.is_over()
    monkeypatch.setattr(reloading, "LONGEST", -1)
    assert reload.is_over()
    assert said[-1].endswith("worker-2 keep the old code")
    assert parts[2].running
