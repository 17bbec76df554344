"""Drift between SQL and RabbitMQ, measured with RabbitMQ's own counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pika
from sqlalchemy import update

from src.broker.recover import drift, management
from src.broker.recover.drift import Drift
from src.jobs.control import actions
from src.jobs.core.models import Job
from src.jobs.read import queries
from src.sql.clock import now
from src.sql.database import read, write
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.services import BrokerNode
from tests.harness.waiting import eventually


def seen() -> Drift | None:
    """The drift of the default queue now."""
    broker = management.overview()
    with read() as session:
        counted = {each.queue: each for each in queries.queues(session)}
        return drift.of("default", counted.get("default"), broker)


def counted(ready: int, drift: Drift) -> Callable[[], bool]:
    """Return a condition that names RabbitMQ's number of messages and the drift when it does not hold yet."""

    def agrees() -> bool:
        numbers = management.overview().of("default")
        assert (numbers and numbers.ready, seen()) == (ready, drift)
        return True

    return agrees


def test_an_emptied_queue_misses_messages_and_a_cancelled_job_leaves_one_too_many(quiet: Callboard, broker_node: BrokerNode) -> None:
    with quiet.entered(CALLBOARD_MANAGEMENT_URL=broker_node.management_url):
        actors.echo.send(1)
        actors.echo.send(2)
        actors.echo.send_with_options(args=(3,), broker_priority=9)  # in a queue of its own in RabbitMQ
        eventually(lambda: all(job.published_at for job in quiet.jobs()), deadline_s=DEADLINE_S, what="all are published")
        with write() as session:
            session.execute(update(Job).values(published_at=now() - timedelta(minutes=2)))
        eventually(counted(3, Drift()), deadline_s=DEADLINE_S, interval_s=0.2, what="both count three")

        with pika.BlockingConnection(pika.URLParameters(quiet.broker_url)) as connection:
            connection.channel().queue_purge("default")
        eventually(counted(1, Drift(missing=2)), deadline_s=DEADLINE_S, interval_s=0.2, what="two are missing")

        with write() as session:
            for job in quiet.jobs():
                actions.cancel(session, job.id)
        eventually(counted(1, Drift(surplus=1)), deadline_s=DEADLINE_S, interval_s=0.2, what="one is too many")


def test_without_rabbitmqs_numbers_nothing_is_said(quiet: Callboard) -> None:
    assert drift.of("default", None, management.Overview(True, "4.0")) is None
