"""Leases: heartbeat, silence, and the jobs of a lost worker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from src.jobs import Outcome, State
from src.jobs.control import actions
from src.jobs.core.models import Worker
from src.jobs.leases import workers
from src.settings import get_settings
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, claimed, ended, hired, look, settle

pytestmark = pytest.mark.both_stores

LEASE = get_settings().lease_duration


def beat(database: Database, worker: int) -> bool:
    with database.write() as session:
        return workers.heartbeat(session, worker, busy=1, frontier={"default": 5})


def take_over(database: Database) -> int:
    with database.write() as session:
        return workers.take_over(session)


def is_silent(database: Database) -> bool:
    with database.read() as session:
        return workers.silent(session)


def test_a_registered_worker_is_alive_and_tells_what_it_serves(database: Database) -> None:
    worker = hired(database, "here:7", actors=["b", "a"])

    with database.read() as session:
        (row,) = workers.alive(session)

    assert (row.id, row.name, row.actors, row.queues, row.threads) == (worker, "here:7", ["a", "b"], ["default"], 4)


def test_a_heartbeat_renews_the_lease(database: Database, time: StillClock) -> None:
    worker = hired(database)
    time.forward(LEASE - 1)
    assert beat(database, worker)
    time.forward(LEASE - 1)

    with database.read() as session:
        (row,) = workers.alive(session)
    assert (row.busy, row.frontier) == (1, {"default": 5})
    assert not is_silent(database)


def test_a_heartbeat_after_the_lease_was_given_away_says_so(database: Database, time: StillClock) -> None:
    worker = hired(database)
    time.forward(LEASE)
    take_over(database)

    assert not beat(database, worker)
    with database.read() as session:
        assert workers.alive(session) == []


def test_a_late_heartbeat_keeps_a_lease_that_was_not_given_away(database: Database, time: StillClock) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    time.forward(LEASE * 2)

    assert beat(database, worker)
    assert take_over(database) == 0
    assert look(database, one.id).state is State.RUNNING


def test_a_worker_that_signed_off_is_not_alive_and_not_silent(database: Database, time: StillClock) -> None:
    worker = hired(database)
    with database.write() as session:
        workers.sign_off(session, worker)
    time.forward(LEASE)

    assert not beat(database, worker)
    assert not is_silent(database)
    with database.read() as session:
        assert workers.alive(session) == []


def test_the_jobs_of_a_lost_worker_are_queued_again_at_once(database: Database, time: StillClock) -> None:
    worker = hired(database, "here:7")
    one = claimed(database, worker)
    begun = time.instant
    time.forward(LEASE)

    assert is_silent(database)
    assert take_over(database) == 1

    job = look(database, one.id)
    assert (job.state, job.attempt, job.crashes, job.failures, job.worker_id) == (State.QUEUED, 1, 1, 0, None)
    assert job.publish_at == time.instant
    assert job.reason == "its worker here:7 was lost (1/3)"
    (attempt,) = job.attempts
    assert (attempt.number, attempt.worker, attempt.outcome, attempt.started_at, attempt.finished_at) == (
        1,
        "here:7",
        Outcome.LOST,
        begun,
        time.instant,
    )
    assert not is_silent(database)


def test_a_second_look_takes_nothing_over_twice(database: Database, time: StillClock) -> None:
    one = claimed(database, hired(database))
    time.forward(LEASE)

    assert [take_over(database), take_over(database)] == [1, 0]
    assert len(look(database, one.id).attempts) == 1


def test_the_jobs_of_living_workers_are_left_alone(database: Database, time: StillClock) -> None:
    lost, living = hired(database), hired(database, "there:2")
    theirs = claimed(database, living)
    claimed(database, lost)
    time.forward(LEASE - 1)
    beat(database, living)
    time.forward(1)

    assert take_over(database) == 1
    assert look(database, theirs.id).state is State.RUNNING


def test_a_job_that_costs_too_many_workers_is_dead_with_the_reason(database: Database, time: StillClock) -> None:
    one = claimed(database, hired(database, "here:1"))
    for attempt in (2, 3):
        time.forward(LEASE)
        take_over(database)
        assert claim(database, hired(database, f"here:{attempt}"), one.id, attempt) is not None
    time.forward(LEASE)
    assert take_over(database) == 0, "its worker may only have been kept waiting"
    time.forward(LEASE * (workers.DEAD_AFTER_LEASES - 1))

    take_over(database)

    job = look(database, one.id)
    assert (job.state, job.crashes, job.publish_at) == (State.DEAD, 3, None)
    assert job.reason == job.error == "its worker here:3 was lost (3/3)"
    assert job.finished_at is not None
    assert [(a.number, a.outcome) for a in job.attempts] == [(1, Outcome.LOST), (2, Outcome.LOST), (3, Outcome.LOST)]


def test_a_cancel_that_was_asked_for_wins_over_another_attempt(database: Database, time: StillClock) -> None:
    one = claimed(database, hired(database))
    with database.write() as session:
        actions.cancel(session, one.id)
    time.forward(LEASE)

    take_over(database)

    job = look(database, one.id)
    assert (job.state, job.publish_at, job.attempts[0].outcome) == (State.CANCELLED, None, Outcome.LOST)


def test_attempts_are_numbered_without_gaps_through_losses_failures_and_retries(database: Database, time: StillClock) -> None:
    worker = hired(database, "here:1")
    one = claimed(database, worker)
    settle(database, worker, ended(one, State.DEAD))
    with database.write() as session:
        actions.retry(session, one.id)
    assert claim(database, worker, one.id, 2) is not None
    time.forward(LEASE)
    take_over(database)
    successor = hired(database, "here:2")
    third = claim(database, successor, one.id, 3)
    assert third is not None
    settle(database, successor, ended(third))

    attempts = look(database, one.id).attempts
    assert [(a.number, a.outcome) for a in attempts] == [(1, Outcome.FAILED), (2, Outcome.LOST), (3, Outcome.SUCCEEDED)]


def test_a_worker_that_vanished_from_the_table_is_lost_too(database: Database, time: StillClock) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    with database.write() as session:
        session.delete(session.get_one(Worker, worker))

    assert is_silent(database)
    take_over(database)
    assert look(database, one.id).state is State.QUEUED


def test_workers_that_ended_long_ago_are_forgotten_unless_they_hold_a_job(database: Database, time: StillClock) -> None:
    holder = hired(database, "holder:1")
    claimed(database, holder)
    hired(database, "old:2")
    time.forward(LEASE + timedelta(days=1).total_seconds() + 1)
    young = hired(database, "young:3")

    with database.write() as session:
        workers.forget_old(session)

    with database.read() as session:
        assert {id for (id,) in session.execute(select(Worker.id))} == {holder, young}


def test_only_running_jobs_of_this_worker_are_asked_to_stop(database: Database) -> None:
    worker, other = hired(database), hired(database, "there:2")
    mine, theirs, calm = claimed(database, worker), claimed(database, other), claimed(database, worker)
    with database.write() as session:
        for one in (mine, theirs):
            actions.cancel(session, one.id)

    with database.read() as session:
        assert workers.cancels_requested(session, worker) == [mine.seq]
    assert look(database, calm.id).cancel_requested is False
