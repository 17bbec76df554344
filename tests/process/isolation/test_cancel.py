"""Cancel of a running job: raised as an exception in a thread, a coroutine and a child process; "cancelled" is certain."""

from __future__ import annotations

import time

import pytest

from src.jobs import Outcome, State
from src.jobs.control.actions import cancel
from tests.actors import isolation as actors
from tests.harness.callboard import Callboard
from tests.harness.waiting import eventually
from tests.process.isolation.shows import cancelled


def ask(callboard: Callboard, id: str) -> float:
    """Ask for the cancel; the time by which that was committed."""
    with callboard.database.write() as session:
        cancel(session, id)
    return time.monotonic()


def test_an_actor_without_a_check_point_is_cancelled_by_an_exception_and_a_coroutine_has_ended(callboard: Callboard) -> None:
    callboard.worker(threads=1)
    (id,) = callboard.send(actors.loop_in_a_thread.message())
    eventually(lambda: callboard.lines("started") == [id], deadline_s=20)

    asked = ask(callboard, id)

    job = callboard.ended(id)
    assert time.monotonic() - asked < 3
    assert (job.state, job.reason, job.attempts[0].outcome) == (State.CANCELLED, "cancelled while it ran", Outcome.CANCELLED)
    (after,) = callboard.send(actors.neighbour.message(1))
    assert callboard.ended(after).state is State.SUCCEEDED, "its thread goes on"

    (coroutine,) = callboard.send(actors.wait_in_a_coroutine.message())
    eventually(lambda: callboard.lines("started") == [id, coroutine], deadline_s=20)
    ask(callboard, coroutine)

    assert callboard.ended(coroutine).state is State.CANCELLED
    assert callboard.lines("ended") == [coroutine], "when it is shown as cancelled"


def test_an_isolated_actor_is_woken_from_its_sleep_and_one_that_does_not_listen_is_killed(callboard: Callboard) -> None:
    callboard.worker(threads=2, cancel_grace=1.5)
    sleeping, deaf = callboard.send(actors.sleep_apart.message(), actors.ignore_cancel_apart.message())
    eventually(lambda: len(callboard.lines("started")) == 2, deadline_s=30)

    asked = ask(callboard, sleeping)
    ask(callboard, deaf)

    job = callboard.ended(sleeping)
    assert time.monotonic() - asked < 3
    assert (job.state, job.reason) == (State.CANCELLED, "cancelled while it ran")
    job = callboard.ended(deaf)
    assert time.monotonic() - asked < 8
    assert (job.state, job.reason) == (State.CANCELLED, "cancelled while it ran: it did not react to the cancel and was killed")


@pytest.mark.parametrize("jobs", [250, pytest.param(1_000, marks=pytest.mark.slow)])
def test_no_job_starts_after_it_is_shown_as_cancelled(callboard: Callboard, jobs: int) -> None:
    """Given many jobs of which some wait, some run and some wait for their retry, all cancelled in random order."""
    found = cancelled(callboard, jobs=jobs)
    print(*found.lines(), sep="\n")

    assert found.states == {State.CANCELLED: jobs}
    assert {State.QUEUED, State.RUNNING, State.RETRYING} <= set(found.seconds), "in each of these states there was one"
    assert found.starts > 0
    assert not found.late
