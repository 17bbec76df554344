"""Callbacks run exactly once whatever happens to the members, and a retry repeats only the failed branch."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import dramatiq
import pytest
from dramatiq import Message
from sqlalchemy import func, select

from src.jobs import Outcome, State
from src.jobs.control import workflows
from src.jobs.core.models import Attempt, Job, Worker
from src.jobs.read.queries import find_many
from src.jobs.workflows.canvas import Workflow, group, link, result_of
from tests.actors import workflows as actors
from tests.harness.callboard import Callboard
from tests.harness.waiting import eventually
from tests.process.workflows.test_seeds import finished, run


class Killer:
    """kill -9 of the worker process that runs a job just now, a few times while the block lasts."""

    def __init__(self, callboard: Callboard, *, times: int) -> None:
        self._callboard = callboard
        self._times = times
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        busy = select(Worker.pid).join(Job, Job.worker_id == Worker.id).where(Job.state == State.RUNNING, Worker.lost_at.is_(None))
        pause = 0.1
        while self._times and not self._ending.wait(pause):
            with self._callboard.database.read() as session:
                pid = session.execute(busy.order_by(Worker.id.desc()).limit(1)).scalar()
            pause = 0.02
            if pid is not None:
                with suppress(ProcessLookupError):  # it has just been killed, and SQL does not know yet
                    os.kill(pid, signal.SIGKILL)
                    self._times -= 1
                    pause = 1.5


def attempts(callboard: Callboard, ids: list[str]) -> Counter[Outcome]:
    statement = select(Attempt.outcome, func.count()).join(Job, Job.seq == Attempt.job_seq).where(Job.id.in_(ids)).group_by(Attempt.outcome)
    with callboard.database.read() as session:
        return Counter({row[0]: row[1] for row in session.execute(statement)})


def succeeded(callboard: Callboard, messages: list[Message[object]]) -> list[int]:
    """Return the number of succeeded attempts of each message's job."""
    return [attempts(callboard, [message.message_id])[Outcome.SUCCEEDED] for message in messages]


@pytest.mark.parametrize("size", [40, pytest.param(100, marks=pytest.mark.slow)])
def test_a_group_with_members_killed_failed_and_redelivered_calls_back_exactly_once(
    size: int, callboard: Callboard, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    success, error, always, done = (actors.keep.message(name) for name in ("success", "error", "always", "done"))
    members = [actors.shaky.message(number) if number % 7 == 3 else actors.member.message(number, str(broken)) for number in range(size)]
    # Dramatiq's own group beside ours; none of its members dies.
    stock = dramatiq.group(actors.shaky.message(number) if number % 3 else actors.slow.message(number, 50) for number in range(size))
    stock.add_completion_callback(done)

    with Killer(callboard, times=max(2, size // 30)):
        stock.run()
        receipt = run(callboard, group(members, on_success=success, on_error=error, always=always))
        first = finished(callboard, receipt)
        eventually(lambda: succeeded(callboard, [done]) == [1], deadline_s=60, what="the stock group's callback runs")
        dead = [step for step in first.steps if step.state is State.DEAD]
        assert first.state == "blocked"
        assert [step.name for step in first.steps if step.state is State.SCHEDULED] == ["keep"]
        assert succeeded(callboard, [success, error, always]) == [0, 1, 1]

        broken.unlink()
        with callboard.database.write() as session:
            assert workflows.retry(session, receipt.id) == len(dead)
        last = finished(callboard, receipt)

    assert last.state == "succeeded"
    assert 0 < len(dead) <= size // 10
    assert succeeded(callboard, [success, error, always, done]) == [1, 1, 1, 1]
    outcomes = attempts(callboard, [message.message_id for message in [*members, *stock.children]])
    assert outcomes[Outcome.SUCCEEDED] == 2 * size
    assert outcomes[Outcome.FAILED] > 0
    assert outcomes[Outcome.LOST] > 0
    assert last.step("keep").result == ["success", [step.result for step in last.steps[:size]]]
    with callboard.database.read() as session:
        assert len(find_many(session, [message.message_id for message in (success, error, always, done)])) == 4


def test_of_a_diamond_of_8_only_the_failed_branch_runs_again(callboard: Callboard, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    workflow = Workflow("diamond")
    top = workflow.step(actors.keep.message(1), name="1 top")
    left = workflow.step(actors.keep.message(result_of(top)), name="2 left")
    third = workflow.step(actors.unless.message(str(broken), 3, result_of(top)), name="3 right")
    left_end = workflow.step(actors.keep.message(result_of(left)), name="4 left end")
    right_a = workflow.step(actors.keep.message(result_of(third)), name="5 right a")
    right_b = workflow.step(actors.keep.message(result_of(third)), name="6 right b")
    bottom = workflow.step(actors.keep.message(result_of([left_end, right_a, right_b])), name="7 bottom")
    workflow.step(actors.keep.message(result_of(bottom)), name="8 report")
    receipt = run(callboard, workflow)

    first = finished(callboard, receipt)
    broken.unlink()
    with callboard.database.write() as session:
        assert workflows.retry(session, receipt.id) == 1
    last = finished(callboard, receipt)

    assert first.state == "blocked"
    assert {step.name: step.reason for step in first.steps if step.reason and step.state is State.SCHEDULED} == dict.fromkeys(
        ("5 right a", "6 right b", "7 bottom", "8 report"), "blocked: step 3 right is dead"
    )
    assert [step.state for step in last.steps] == [State.SUCCEEDED] * 8
    assert [step.attempt for step in last.steps] == [1, 1, 2, 1, 1, 1, 1, 1]
    assert last.step("8 report").result == [[[[[[1]]], [3], [3]]]]
    untouched = ("1 top", "2 left", "4 left end")
    assert [(first.step(name).started_at, first.step(name).finished_at) for name in untouched] == [
        (last.step(name).started_at, last.step(name).finished_at) for name in untouched
    ]


@pytest.mark.slow  # without failures the same as the first test
def test_a_group_and_its_callbacks_survive_kills_of_their_workers(callboard: Callboard) -> None:
    with Killer(callboard, times=2):
        parts = link(
            group(actors.slow.message(number, 200) for number in range(40)), on_success=actors.total.message(), always=actors.keep.message()
        )
        found = finished(callboard, run(callboard, parts))

    assert found.step("total").result == sum(range(40))
    assert found.state == "succeeded"
