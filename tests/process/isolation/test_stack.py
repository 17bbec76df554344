"""The stack of a running attempt is written to its log on request, from a thread and from a child process."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from src.broker.execute import stack
from src.jobs import State
from src.jobs.attempts import stacks
from src.jobs.attempts.current_job import RunningJob
from src.jobs.control import actions
from src.jobs.core.errors import NotAllowed, UnknownJob
from src.jobs.core.models import StackRequest
from tests.actors import isolation as actors
from tests.harness.callboard import Callboard
from tests.harness.waiting import eventually


def ask(callboard: Callboard, id: str) -> None:
    with callboard.database.write() as session:
        actions.stack(session, id)


def stacks_of(callboard: Callboard, id: str) -> list[str]:
    return [text for _, _, level, text in callboard.log_of(id) if level == "stack"]


def wishes(callboard: Callboard) -> list[StackRequest]:
    with callboard.database.read() as session:
        return list(session.execute(select(StackRequest)).scalars())


def test_a_running_attempt_says_where_it_is_as_often_as_somebody_asks(callboard: Callboard, tmp_path: Path) -> None:
    callboard.worker(heartbeat_interval=0.3)
    go = tmp_path / "go"
    thread, cell, coroutine = ids = callboard.send(
        actors.stay_until.message(str(go)), actors.stay_apart_until.message(str(go)), actors.stay_as_a_coroutine_until.message(str(go))
    )
    eventually(lambda: all(callboard.log_of(id) for id in ids), deadline_s=30, what="each is in its actor")
    for number in (1, 2):
        for id in ids:
            ask(callboard, id)
        eventually(lambda number=number: all(len(stacks_of(callboard, id)) == number for id in ids), deadline_s=30)  # type: ignore[misc]

    for id in (thread, cell):
        for said in stacks_of(callboard, id):
            first, *rest = said.splitlines()
            assert first == "It is here, innermost call last:"
            assert "in stay_" in rest[0]  # nothing of ours above it
            assert "in _wait_in_here" in said
            assert "executor.py" not in said
    assert "asyncio" in stacks_of(callboard, coroutine)[0]
    assert wishes(callboard) == []
    go.touch()
    assert [callboard.ended(id).state for id in ids] == [State.SUCCEEDED] * 3
    with pytest.raises(NotAllowed, match="the job is succeeded"):
        ask(callboard, thread)
    with pytest.raises(UnknownJob):
        ask(callboard, "nothing")


def test_an_unanswered_stack_request_is_forgotten(callboard: Callboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = callboard.worker()
    (id,) = callboard.send(actors.stay_until.message(str(tmp_path / "never")))
    eventually(lambda: callboard.job(id).state is State.RUNNING, deadline_s=30)
    worker.kill()
    ask(callboard, id)
    with callboard.database.write() as session:
        assert stacks.take(session, 0) == set()  # another worker's
        stacks.prune(session)
    assert len(wishes(callboard)) == 1
    monkeypatch.setattr(stacks, "ANSWERED_WITHIN", timedelta(0))
    with callboard.database.write() as session:
        stacks.prune(session)
    assert wishes(callboard) == []


def test_a_thread_outside_of_its_actor_says_so() -> None:
    assert stack.of_thread(threading.get_ident()).startswith("It is not in its actor")
    assert stack.of_thread(-1) == "Its thread has just ended."


def test_two_threads_that_speak_first_write_into_one_log() -> None:
    for _ in range(50):
        job = RunningJob(seq=1, id="a", actor="a", queue="q", attempt=1, worker="w", scheduled_for=None, open_session=None)
        start = threading.Barrier(4)

        def speak(job: RunningJob = job, start: threading.Barrier = start) -> None:
            start.wait()
            job.log().add("info", "first")

        threads = [threading.Thread(target=speak) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(job.log().pending()) == 4
