"""Cancel of a running job: it comes as an exception, in a thread, a coroutine and a process; "cancelled" is certain."""

from __future__ import annotations

import time

from src.jobs import Outcome, State
from src.jobs.control import cancel
from tests.actors import isolation as actors
from tests.harness.isolation_house import House
from tests.harness.waiting import eventually
from tests.process.isolation.shows import cancelled


def ask(house: House, id: str) -> float:
    """Ask for the cancel; the time by which that was committed."""
    with house.database.write() as session:
        cancel(session, id)
    return time.monotonic()


def test_an_actor_without_a_check_point_is_cancelled_by_an_exception_and_its_thread_goes_on(house: House) -> None:
    house.worker(threads=1)
    (id,) = house.send(actors.loop_in_a_thread.message())
    eventually(lambda: house.lines("started") == [id], deadline_s=20)

    asked = ask(house, id)

    job = house.ended(id)
    assert time.monotonic() - asked < 3
    assert (job.state, job.reason, job.attempts[0].outcome) == (State.CANCELLED, "cancelled while it ran", Outcome.CANCELLED)
    (after,) = house.send(actors.neighbour.message(1))
    assert house.ended(after).state is State.SUCCEEDED


def test_a_coroutine_is_cancelled_and_has_ended_when_that_is_said(house: House) -> None:
    house.worker(threads=1)
    (id,) = house.send(actors.wait_in_a_coroutine.message())
    eventually(lambda: house.lines("started") == [id], deadline_s=20)

    ask(house, id)

    assert house.ended(id).state is State.CANCELLED
    assert house.lines("ended") == [id]


def test_an_isolated_actor_is_woken_from_its_sleep_and_one_that_does_not_listen_is_killed(house: House) -> None:
    house.worker(threads=2, cancel_grace=1.5)
    sleeping, deaf = house.send(actors.sleep_apart.message(), actors.ignore_cancel_apart.message())
    eventually(lambda: len(house.lines("started")) == 2, deadline_s=30)

    asked = ask(house, sleeping)
    ask(house, deaf)

    job = house.ended(sleeping)
    assert time.monotonic() - asked < 3
    assert (job.state, job.reason) == (State.CANCELLED, "cancelled while it ran")
    job = house.ended(deaf)
    assert time.monotonic() - asked < 8
    assert (job.state, job.reason) == (State.CANCELLED, "cancelled while it ran: it did not react to the cancel and was killed")


def test_none_of_a_thousand_jobs_starts_after_it_is_shown_as_cancelled(house: House) -> None:
    """Given a thousand jobs of which some wait, some run and some wait for their retry, all cancelled in random order."""
    found = cancelled(house)
    print(*found.lines(), sep="\n")

    assert found.states == {State.CANCELLED: 1_000}
    assert {State.QUEUED, State.RUNNING, State.RETRYING} <= set(found.seconds), "in each of these states there was one"
    assert found.starts > 0
    assert not found.late
