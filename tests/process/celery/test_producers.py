"""Queues of Celery's producers on real workers: declared by others, missing at first, read by RabbitMQ's rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from src.broker.recover.broker_health import troubles
from src.broker.recover.management import Overview
from src.jobs.core.states import State
from src.jobs.leases import workers
from src.operations.fleet.figures import fleet_health
from tests.actors import celery_tasks as tasks
from tests.harness.callboard import Callboard
from tests.harness.celery_messages import publish, v2
from tests.harness.commands import DEADLINE_S
from tests.harness.services import BrokerNode
from tests.harness.waiting import eventually

QUEUE = "celery"


@pytest.fixture
def callboard(database_url: str, broker_node: BrokerNode, tmp_path: Path) -> Iterator[Callboard]:
    with (
        Callboard(
            broker_node, database_url, tmp_path, actors="tests.actors.celery_tasks", celery_queues=f"{QUEUE},urgent", heartbeat_interval=0.2
        ) as made,
        made.entered(),
    ):
        yield made


def test_messages_of_a_queue_with_arguments_of_its_own_become_jobs(callboard: Callboard) -> None:
    ids = [str(uuid4()) for _ in range(20)]
    publish(callboard.broker_url, QUEUE, [v2("add", n, n, id=id) for n, id in enumerate(ids)], arguments={"x-max-priority": 10})
    large = str(uuid4())
    publish(callboard.broker_url, QUEUE, [v2("echo", "x" * 200_000, id=large)], arguments={"x-max-priority": 10})

    shared = str(uuid4())  # a queue of the tasks themselves, which their producers have declared before
    publish(callboard.broker_url, "urgent", [v2("echo", "shared", id=shared)])
    own = tasks.echo.apply_async(("own",), queue="urgent")

    with callboard.working(threads=2) as worker:
        assert [(job.queue, job.result) for job in map(callboard.until, (shared, own.id))] == [("urgent", "shared"), ("urgent", "own")]
        assert [callboard.until(id).result for id in ids] == [n + n for n in range(20)]
        assert len(str(callboard.until(large).result)) == 200_000
        eventually(lambda: callboard.messages(QUEUE) == 0, deadline_s=DEADLINE_S, what="every message is acknowledged")
        assert not worker.says("queue_differs", QUEUE)
        assert not worker.says("queue_differs", '"urgent"')


def test_a_missing_queue_is_waited_for_and_reported(callboard: Callboard) -> None:
    id = str(uuid4())
    with callboard.working() as worker:
        eventually(lambda: _refusals(callboard), deadline_s=DEADLINE_S, what="the reason is visible")
        assert "no queue" in str(_refusals(callboard))
        with callboard.database.read() as session:
            assert QUEUE in [each.subject for each in troubles(session, Overview(reachable=True)) if "no queue" in each.text]
            assert "a queue of Celery's producers is not read" in fleet_health.look(session).public_problems
        publish(callboard.broker_url, QUEUE, [v2("add", 1, 2, id=id)])
        job = eventually(lambda: next(iter(callboard.jobs(state=State.SUCCEEDED)), None), deadline_s=DEADLINE_S)
        assert job is not None
        assert (job.id, job.result) == (id, 3)
        eventually(lambda: not _refusals(callboard), deadline_s=DEADLINE_S, what="it is over")
        assert worker.text().count('"event": "broker_refuses"') < 20


def test_a_worker_without_celerys_interface_refuses_to_start(callboard: Callboard) -> None:
    worker = callboard.start(CALLBOARD_ACTORS="tests.actors.broker")
    worker.process.wait(DEADLINE_S)

    assert worker.says("worker_cannot_start", "add src.celery to CALLBOARD_ACTORS")


def _refusals(callboard: Callboard) -> list[str]:
    with callboard.database.read() as session:
        return workers.refusals(session, [QUEUE])
