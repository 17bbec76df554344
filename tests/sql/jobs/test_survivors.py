"""A worker that was silent for longer than its lease and is alive: its jobs run elsewhere, and count no crash."""

from __future__ import annotations

import pytest

from src.jobs import Outcome, State
from src.jobs.core.claimed import Claimed
from src.jobs.leases import workers
from src.jobs.leases.workers import Death
from src.settings import get_settings
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, claimed, hired, look

pytestmark = pytest.mark.both_stores

LEASE = get_settings().lease_duration


def take_over(database: Database) -> int:
    with database.write() as session:
        return workers.take_over(session)


def come_back(database: Database, worker: int, *held: Claimed) -> int:
    with database.write() as session:
        return workers.survived(session, worker, [(one.seq, one.attempt) for one in held])


def test_a_job_whose_worker_was_only_silent_counts_no_crash(database: Database, time: StillClock) -> None:
    worker = hired(database, "here:7")
    one = claimed(database, worker)
    time.forward(LEASE)
    take_over(database)
    assert look(database, one.id).crashes == 1

    assert come_back(database, worker, one) == 1

    job = look(database, one.id)
    assert (job.state, job.crashes, job.attempts[0].outcome) == (State.QUEUED, 0, Outcome.LOST)
    assert job.attempts[0].error == "its worker here:7 was silent for longer than its lease, and lives; not counted as a crash"
    assert come_back(database, worker, one) == 0, "once"
    assert look(database, one.id).crashes == 0


def test_a_job_never_dies_of_workers_that_live(database: Database, time: StillClock) -> None:
    worker = hired(database, "here:1")
    one = claimed(database, worker)
    for attempt in range(2, 8):
        time.forward(LEASE)
        take_over(database)
        come_back(database, worker, one)
        worker = hired(database, f"here:{attempt}")
        again = claim(database, worker, one.id, attempt)
        assert again is not None
        one = again

    assert look(database, one.id).crashes == 0


def test_a_final_decision_waits_for_a_worker_that_may_come_back(database: Database, time: StillClock) -> None:
    worker = hired(database, "here:1")
    one = claimed(database, worker)
    for attempt in (2, 3):
        with database.write() as session:
            workers.report_death(session, Death(worker, "was killed by signal 11", frozenset({(one.seq, attempt - 1)})))
        worker = hired(database, f"here:{attempt}")
        assert claim(database, worker, one.id, attempt) is not None
    time.forward(LEASE)

    assert take_over(database) == 0
    assert come_back(database, worker) == 1

    job = look(database, one.id)
    assert (job.state, job.crashes) == (State.QUEUED, 2)


def test_a_known_death_is_a_crash_at_once_and_stays_one(database: Database, time: StillClock) -> None:
    worker = hired(database, "here:1")
    one = claimed(database, worker)
    for attempt in (1, 2, 3):
        with database.write() as session:
            workers.report_death(session, Death(worker, "was killed by signal 11", frozenset({(one.seq, attempt)})))
            assert workers.acquit(session, f"here:{attempt}", [(one.seq, attempt)]) == 0
        worker = hired(database, f"here:{attempt + 1}")
        claim(database, worker, one.id, attempt + 1)

    job = look(database, one.id)
    assert (job.state, job.crashes, job.reason) == (State.DEAD, 3, "its worker here:3 was killed by signal 11 (3/3)")


@pytest.mark.parametrize("worker", ["here:1", "there:2"])
def test_an_end_that_comes_too_late_acquits_its_own_worker_only(database: Database, time: StillClock, worker: str) -> None:
    one = claimed(database, hired(database, "here:1"))
    time.forward(LEASE)
    take_over(database)

    with database.write() as session:
        acquitted = workers.acquit(session, worker, [(one.seq, one.attempt)])

    assert (acquitted, look(database, one.id).crashes) == ((1, 0) if worker == "here:1" else (0, 1))
