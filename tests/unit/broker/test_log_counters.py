"""A loop that has succeeded logs its next failure as a new one: the first line of a fault must not wait for the next doubling."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.broker.consume.work_queue import WorkQueue
from src.broker.core.lease import Lease
from src.broker.core.load import Load
from src.broker.options.limits import Limits
from src.broker.process import running_attempts, status_page, worker_process
from src.broker.process.running_attempts import RunningAttempts
from src.broker.process.status_page import StatusPage
from src.broker.process.worker_process import WorkerProcess
from src.settings import Settings
from src.up.data.data_folder import Folder
from src.up.parts.part import Part
from src.up.supervisor import Supervisor

#: outcomes of a step's calls: it fails three times, succeeds, and fails once more
FAILS = (True, True, True, False, True)
#: the counts that are logged: of the first fault the first two failures, then the first of the next one
LOGGED = [1, 2, 1]


class Lines:
    """A logger that keeps the counts of its errors."""

    def __init__(self) -> None:
        self.times: list[int] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **fields: self.times.append(fields["times"]) if "times" in fields else None


def failing(error: Exception, then: Callable[[], object] = bool) -> Callable[..., None]:
    """A step that fails by FAILS, and calls `then` after its last call."""
    calls = iter(FAILS)
    left = [len(FAILS)]

    def _step(*_: Any, **__: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            then()
        if next(calls):
            raise error

    return _step


def test_the_lease_loop_of_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines()
    monkeypatch.setattr(worker_process, "log", lines)
    monkeypatch.setattr(worker_process, "TEND_S", 0.001)
    monkeypatch.setattr(worker_process, "get_settings", lambda: SimpleNamespace(heartbeat_interval=0.0))
    process = WorkerProcess(threads=1, queues=[], actors={}, limits=Limits())
    monkeypatch.setattr(process, "_check_pulse", lambda: None)
    monkeypatch.setattr(process._unheld, "hand_back", lambda: None)
    monkeypatch.setattr(process, "_heartbeat", failing(ValueError("x"), process._closing.set))

    process._run()

    assert lines.times == LOGGED


def test_a_step_of_running_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines()
    monkeypatch.setattr(running_attempts, "log", lines)
    attempts = RunningAttempts(Lease("here:1"), Load(1), WorkQueue(), hand_back=lambda _deliveries: None)
    for name in ("_write_lines", "_pass_on_cancels", "_hand_back_waiting", "_acknowledge_early"):
        monkeypatch.setattr(attempts, name, _nothing)  # another step's success must not count
    monkeypatch.setattr(attempts, "_write_progress", failing(ValueError("x")))

    for _ in FAILS:
        attempts.tend()

    assert lines.times == LOGGED


def test_the_start_of_a_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines()
    monkeypatch.setattr(status_page, "log", lines)
    monkeypatch.setattr(subprocess, "Popen", failing(OSError(errno.EAGAIN, "no process left")))
    page = StatusPage()

    for _ in FAILS:
        page._watch()

    assert lines.times == LOGGED


@pytest.fixture
def said(tmp_path: Path) -> tuple[Supervisor, list[str]]:
    lines: list[str] = []
    return Supervisor(Folder(tmp_path), Settings(), report=lines.append, echo=lambda *_: None), lines


def test_a_step_of_the_supervisor(said: tuple[Supervisor, list[str]]) -> None:
    supervisor, lines = said
    step = failing(OSError(errno.ENOSPC, "disk full"))

    for _ in FAILS:
        supervisor.installation.attempt(step)
        supervisor.installation.attempt(_nothing)

    assert [line.count("times") for line in lines] == [0, 1, 0]


def test_a_part_that_cannot_be_started(said: tuple[Supervisor, list[str]]) -> None:
    supervisor, lines = said
    launch = failing(OSError(errno.EAGAIN, "no process left"))
    running = SimpleNamespace(pid=1, poll=lambda: None)

    def launched() -> Any:
        launch()
        return running

    part = Part("worker", "worker-1", launched)
    supervisor.installation.parts.append(part)
    for _ in FAILS:
        part.process, part._due_at = None, 0.0
        part.look()
        supervisor.installation.report_problem(part)

    assert [line.rpartition(" ")[2] for line in lines] == ["(1)", "(2)", "(1)"]


def _nothing(*_: Any) -> None:
    pass
