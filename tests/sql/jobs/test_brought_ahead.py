"""Messages prefetched but not claimed by a worker that fell silent: their jobs are published again."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from src.jobs.core.models import Job
from src.jobs.leases import workers
from src.jobs.relay import due_jobs, lost_messages
from src.settings import get_settings
from src.sql.database import Database
from tests.harness.jobs import StillClock, hired, look, submitted

LEASE = get_settings().lease_duration


def published(database: Database, time: StillClock) -> str:
    """A queued job whose message RabbitMQ has."""
    id = submitted(database).id
    with database.write() as session:
        session.execute(update(Job).where(Job.id == id).values(publish_at=None, published_at=time.instant))
    time.forward(0.001)
    return id


@pytest.mark.both_stores
def test_the_oldest_jobs_of_its_queues_are_published_again(database: Database, time: StillClock) -> None:
    hired(database, "here:7")
    jobs = [published(database, time) for _ in range(3)]
    time.forward(LEASE)
    silent_since = time.instant

    with database.write() as session:
        workers.take_over(session)
        assert lost_messages.publish_again_after_loss(session, silent_since, limit=2) == 2

    assert [look(database, id).publish_at is not None for id in jobs] == [True, True, False]
    with database.write() as session:
        assert [envelope.id for envelope in due_jobs.take_unpublished(session)] == jobs[:2]


def test_nothing_is_published_again_while_no_worker_falls_silent(database: Database, time: StillClock) -> None:
    hired(database, "here:7")
    published(database, time)

    with database.write() as session:
        workers.take_over(session)
        assert lost_messages.publish_again_after_loss(session, time.instant, limit=2) == 0


def test_what_a_worker_cannot_use_is_known_queue_by_queue(database: Database, time: StillClock) -> None:
    worker = hired(database, "here:7")
    with database.write() as session:
        workers.heartbeat(
            session, worker, busy=0, frontier={}, refusals={"mail.high": "consuming is refused: LOCKED", "": "publishing is refused"}
        )

    with database.read() as session:
        assert workers.refusals(session, ["mail", "mail.high"]) == ["here:7: consuming is refused: LOCKED", "here:7: publishing is refused"]
        assert workers.refusals(session, ["default"]) == ["here:7: publishing is refused"]
    with database.write() as session:
        workers.heartbeat(session, worker, busy=0, frontier={})
    with database.read() as session:
        assert workers.refusals(session, ["mail.high"]) == []
