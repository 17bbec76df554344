"""A worker's death, stalled jobs, and repeated log lines, in SQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from src.jobs import Outcome, State
from src.jobs.attempts import attempt_logs
from src.jobs.attempts.log_lines import Line
from src.jobs.control.actions import cancel
from src.jobs.core import claimed as core_claimed
from src.jobs.core.models import Job, Worker
from src.jobs.leases import claims, workers
from src.jobs.leases.stalled import stalled
from src.jobs.leases.workers import Death
from src.jobs.read.queries import find
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_many
from src.sql.clock import now
from src.sql.database import Database
from tests.actors import isolation as actors


def running(session: Session, count: int) -> tuple[int, list[core_claimed.Claimed]]:
    """A worker and so many jobs that it runs."""
    worker = workers.register(session, name="host:1", host="host", pid=1, version="1", threads=1, queues=["good"], actors=["neighbour"])
    ids = [receipt.id for receipt in submit_many(session, [Submission(actors.neighbour.message(n)) for n in range(count)])]
    return worker, sorted(claims.claim(session, worker, [(id, 1) for id in ids]))


def job(session: Session, id: str) -> Job:
    found = find(session, id)
    assert found is not None
    return found


@pytest.mark.usefixtures("callboard")
def test_only_what_was_in_a_thread_is_blamed(database: Database) -> None:
    with database.write() as session:
        worker, (ran, waited, unwanted) = running(session, 3)
        cancel(session, unwanted.id)
        assert workers.report_death(session, Death(worker, "was killed by signal 11", frozenset({(ran.seq, 1)}))) == 3
    with database.read() as session:
        blamed, innocent, cancelled = (job(session, claimed.id) for claimed in (ran, waited, unwanted))
        assert (blamed.state, blamed.crashes, blamed.reason) == (State.QUEUED, 1, "its worker host:1 was killed by signal 11 (1/3)")
        assert (innocent.state, innocent.crashes) == (State.QUEUED, 0)
        assert innocent.attempts[0].outcome is Outcome.LOST
        assert innocent.reason == "its worker host:1 was killed by signal 11; this job was in no thread of it"
        assert cancelled.state is State.CANCELLED
    with database.write() as session:
        assert workers.report_death(session, Death(worker, "was killed by signal 11", frozenset())) == 0


@pytest.mark.usefixtures("callboard")
def test_where_a_relay_was_faster_the_record_says_how_afterwards(database: Database) -> None:
    with database.write() as session:
        worker, (ran,) = running(session, 1)
        session.execute(update(Worker).values(expires_at=now() - timedelta(seconds=1)))
        assert workers.take_over(session) == 1
        workers.report_death(session, Death(worker, "was killed by signal 9", frozenset({(ran.seq, 1)})))
    with database.read() as session:
        assert job(session, ran.id).attempts[0].error == "its worker host:1 was killed by signal 9"
        assert job(session, ran.id).crashes == 1


@pytest.mark.usefixtures("callboard")
def test_stalled_jobs_are_those_of_silent_workers_and_those_that_run_for_very_long(database: Database) -> None:
    with database.write() as session:
        _, (long, short) = running(session, 2)
        session.execute(update(Job).where(Job.id == long.id).values(started_at=now() - timedelta(hours=1)))
    with database.read() as session:
        assert list(stalled(session)) == [long.id]
        assert "longer than 1800 s (CALLBOARD_STALLED_AFTER)" in stalled(session)[long.id]
    with database.write() as session:
        session.execute(update(Worker).values(heartbeat_at=now() - timedelta(seconds=5)))
    with database.read() as session:
        assert list(stalled(session)) == [long.id, short.id]
        silent_since = session.execute(select(Worker.heartbeat_at)).scalar_one()
        assert stalled(session)[short.id] == f"its worker host:1 has sent no heartbeat since {silent_since:%H:%M:%S} UTC"
        assert list(stalled(session, [short.id])) == [short.id]


@pytest.mark.usefixtures("callboard")
def test_a_line_that_is_written_twice_is_one_line_and_a_forgotten_attempt_has_none(database: Database) -> None:
    lines = [Line(1, 1_000_000, "stdout", "a\x00b\ud800"), Line(2, 2_000_000, "info", "second")]
    for _ in range(2):
        with database.write() as session:
            attempt_logs.write(session, attempt_logs.rows(7, 1, lines) + attempt_logs.rows(7, 2, lines[:1]))
    with database.read() as session:
        read = attempt_logs.read(session, 7)
        assert [(line.attempt, line.number, line.text) for line in read] == [
            (1, 1, "a\\x00b\\ud800"),
            (1, 2, "second"),
            (2, 1, "a\\x00b\\ud800"),
        ]
        assert [line.number for line in attempt_logs.read(session, 7, after=(1, 1), limit=1)] == [2]
    with database.write() as session:
        attempt_logs.forget(session, [(7, 1)])
        assert [(line.attempt, line.number) for line in attempt_logs.read(session, 7)] == [(2, 1)]
