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

pytestmark = pytest.mark.both_stores


def ask(callboard: Callboard, id: str) -> float:
    """Ask for the cancel; the time by which that was committed."""
    with callboard.database.write() as session:
        cancel(session, id)
    return time.monotonic()


def test_an_actor_without_a_check_point_is_cancelled_by_an_exception_and_its_thread_goes_on(callboard: Callboard) -> None:
    callboard.worker(threads=1)
    (id,) = callboard.send(actors.loop_in_a_thread.message())
    eventually(lambda: callboard.lines("started") == [id], deadline_s=20)

    asked = ask(callboard, id)

    job = callboard.ended(id)
    assert time.monotonic() - asked < 3
    assert (job.state, job.reason, job.attempts[0].outcome) == (State.CANCELLED, "cancelled while it ran", Outcome.CANCELLED)
    (after,) = callboard.send(actors.neighbour.message(1))
    assert callboard.ended(after).state is State.SUCCEEDED


def test_a_coroutine_is_cancelled_and_has_ended_when_that_is_said(callboard: Callboard) -> None:
    callboard.worker(threads=1)
    (id,) = callboard.send(actors.wait_in_a_coroutine.message())
    eventually(lambda: callboard.lines("started") == [id], deadline_s=20)

    ask(callboard, id)

    assert callboard.ended(id).state is State.CANCELLED
    assert callboard.lines("ended") == [id]


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


def test_none_of_a_thousand_jobs_starts_after_it_is_shown_as_cancelled(callboard: Callboard) -> None:
    """Given a thousand jobs of which some wait, some run and some wait for their retry, all cancelled in random order."""
    found = cancelled(callboard)
    print(*found.lines(), sep="\n")

    assert found.states == {State.CANCELLED: 1_000}
    assert {State.QUEUED, State.RUNNING, State.RETRYING} <= set(found.seconds), "in each of these states there was one"
    assert found.starts > 0
    assert not found.late
