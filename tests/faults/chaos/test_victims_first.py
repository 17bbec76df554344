"""Order after a worker was lost: its jobs have waited once already, and go before those that wait."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from src.broker.core import topology
from src.jobs.core.models import Worker
from src.jobs.leases import claims, workers
from src.jobs.relay import due_jobs
from src.sql.clock import now
from src.sql.database import Database
from tests.faults.chaos.test_kill_points import submitted

pytestmark = pytest.mark.both_stores


def test_the_job_of_a_lost_worker_goes_before_those_that_wait(database: Database) -> None:
    [victim] = submitted(database, "work", count=1)
    with database.write() as session:
        worker = workers.register(session, name="gone:1", host="gone", pid=1, version="0", threads=1, queues=["chaos"], actors=["work"])
        assert claims.claim(session, worker, [(victim, 1)])
        session.execute(update(Worker).where(Worker.id == worker).values(expires_at=now() - timedelta(seconds=1)))
        assert workers.take_over(session) == 1

    with database.write() as session:
        [envelope] = due_jobs.take_unpublished(session)

    assert envelope.id == victim
    assert topology.queue_of(envelope.queue, envelope.priority) == "chaos.high"
