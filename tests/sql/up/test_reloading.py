"""A reload replaces one worker after another, and reports when the new code is running."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.broker.isolate import process_tree
from src.jobs.leases import workers
from src.sql.database import Database
from src.up.data import process_identity
from src.up.errors import UpError
from src.up.parts import reloading
from src.up.parts.apart import Apart
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


def never() -> Apart:
    raise AssertionError("there is no front end")


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
    reload = Reload(parts, ["hello.py"], since=0.0, report=said.append, ask_web=never)
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
    reload = Reload(parts, ["hello.py"], since=0.0, report=said.append, ask_web=never)
    assert not reload.is_over()
    monkeypatch.setattr(reloading, "LONGEST", -1)
    assert reload.is_over()
    assert said[-1].endswith("worker-1, worker-2 keep the old code")
    eventually(lambda: [(part.look(), len(part.processes))[1] for part in parts] == [1, 1, 1], what="the newer worker has ended")
    assert [part.record.pid for part in parts[1:]] == pids[1:]


def test_a_worker_that_dies_during_a_reload_is_replaced_by_the_newer_one(database: Database, parts: list[Part]) -> None:
    first = parts[1]
    reload = Reload(parts, ["hello.py"], since=0.0, report=lambda _line: None, ask_web=never)
    assert not reload.is_over()
    newer = first.processes[1].pid

    process_identity.send_group(first.record.pid, signal.SIGKILL)

    eventually(lambda: (first.look(), first.record.pid == newer)[1])


#: like gunicorn: a process of its own for requests, replaced at SIGHUP
_WEB = """
import os, signal, time

def start():
    child = os.fork()
    if not child:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        time.sleep(60)
        os._exit(0)
    return child

def replace(*_):
    global child
    before, child = child, start()
    os.kill(before, signal.SIGKILL)
    os.waitpid(before, 0)

child = start()
signal.signal(signal.SIGHUP, replace)
while True:
    time.sleep(60)
"""


@pytest.fixture
def web() -> Iterator[Part]:
    found = Part("web", "web", lambda: subprocess.Popen([sys.executable, "-c", _WEB], start_new_session=True))
    found.start()
    eventually(lambda: process_tree.children(found.record.pid), what="it has a process for requests")
    yield found
    found.kill()


@pytest.mark.parametrize("fails", [False, True])
def test_the_new_code_serves_when_the_front_end_has_it_too(web: Part, database: Database, tmp_path: Path, *, fails: bool) -> None:
    responds, said = tmp_path / "responds", list[str]()
    [before] = process_tree.children(web.record.pid)
    asked: list[bool] = []

    def wait() -> None:
        eventually(responds.exists)
        if fails:
            raise UpError("Web did not become ready.")

    def ask() -> Apart:
        asked.append(before in process_tree.children(web.record.pid))
        return Apart(wait)

    reload = Reload([web], ["hello.py"], since=0.0, report=said.append, ask_web=ask)
    eventually(lambda: (reload.is_over(), asked)[1], what="the front end is asked")
    assert asked == [False], "not before the process with the old code has ended"
    assert not reload.is_over()
    assert len(said) == 1

    responds.touch()

    eventually(reload.is_over)
    assert (
        said[1:] == ["The workers run the new code; web does not: Web did not become ready."] if fails else "the new code serves" in said[1]
    )
