"""A job's expiry and delay as requested."""

from __future__ import annotations

from datetime import timedelta

from src.jobs import State
from src.jobs.relay import due_jobs
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, claimed, ended, hired, look, settle, submitted


def expired(database: Database, time: StillClock, id: str) -> str | None:
    time.forward(61)
    with database.write() as session:
        assert due_jobs.expire(session) == 1
    job = look(database, id)
    assert job.state is State.EXPIRED
    return job.reason


def test_a_job_that_never_started_says_so(database: Database, time: StillClock) -> None:
    id = submitted(database, expires_at=now() + timedelta(seconds=60)).id

    assert expired(database, time, id) == "it had not started when it expired"


def test_a_job_that_had_started_says_that_its_next_attempt_did_not(database: Database, time: StillClock) -> None:
    worker = hired(database)
    one = claimed(database, worker, expires_at=now() + timedelta(seconds=60))
    settle(database, worker, ended(one, State.RETRYING, error="ValueError: no", failures=1))

    assert expired(database, time, one.id) == "it expired before its next attempt could start"
    assert look(database, one.id).error == "ValueError: no"


def test_the_delay_that_was_asked_for_is_kept_when_the_job_has_ended(database: Database, time: StillClock) -> None:
    asked = now() + timedelta(seconds=5)
    id, worker = submitted(database, due_at=asked).id, hired(database)
    time.forward(5)
    with database.write() as session:
        assert due_jobs.release_due(session)
    one = claim(database, worker, id)
    assert one is not None
    assert look(database, id).due_at == asked

    settle(database, worker, ended(one))

    assert look(database, id).due_at == asked
