"""Tasks written for Celery on real workers: calls, shapes, limits, cancels, signals and beat's entries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from src.celery import chain, chord, group, states
from src.celery.exceptions import SoftTimeLimitExceeded, TaskRevokedError, TimeLimitExceeded
from src.jobs.core.envelopes import leave_to_relay, publisher
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.jobs.read.queries import page
from tests.actors import celery_tasks as tasks
from tests.harness.callboard import Callboard, fresh_url
from tests.harness.commands import Worker
from tests.harness.services import BrokerNode
from tests.harness.stores import STORES
from tests.harness.waiting import eventually

WAIT_S = 30


@pytest.fixture(scope="module", params=STORES)
def served(
    request: pytest.FixtureRequest, broker_node: BrokerNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Callboard, Worker]]:
    """A Callboard with one worker for all tests of this file; the last one ends it."""
    folder = tmp_path_factory.mktemp("callboard")
    settings: dict[str, Any] = {"publish_grace": 0.1, "relay_interval": 0.05, "heartbeat_interval": 0.2}
    with Callboard(broker_node, fresh_url(request, request.param, folder), folder, actors="tests.actors.celery_tasks", **settings) as made:
        yield made, made.worker(threads=8)


@pytest.fixture
def callboard(served: tuple[Callboard, Worker]) -> Iterator[Callboard]:
    # These tests publish nothing themselves: the workers' relays do.
    with served[0].entered() as entered:
        publisher.connect(leave_to_relay)
        yield entered


def test_calls_shapes_and_retries_on_a_worker(callboard: Callboard) -> None:
    called, shape = tasks.add.delay(4, 4), chord([tasks.add.s(i, i) for i in range(5)])(tasks.xsum.s() | tasks.mul.s(2))
    retried, hooked = tasks.flaky.delay(2, countdown=0), tasks.watched.delay("fine")
    failing = chain(tasks.fail.s(), tasks.keep.s()).apply_async(link_error=tasks.log_id.s())
    several = group(tasks.add.s(i, i) for i in range(3))()

    assert (called.get(WAIT_S), shape.get(WAIT_S), retried.get(WAIT_S), hooked.get(WAIT_S), several.get(WAIT_S)) == (
        8,
        40,
        2,
        "red",
        [0, 2, 4],
    )
    with pytest.raises(KeyError, match="broken"):
        failing.get(WAIT_S)
    eventually(lambda: failing.parent.id in [job.result for job in jobs(callboard, "log_id")], deadline_s=WAIT_S)


def test_time_limits_on_a_worker(callboard: Callboard) -> None:
    cleaned, killed = tasks.slow.delay(), tasks.hangs.delay()
    per_call = tasks.sleeps.apply_async((30,), soft_time_limit=0.3)
    replaced = (tasks.replaced_by.si(tasks.add.s(1, 2)).set(soft_time_limit=20) | tasks.mul.s(10)).delay()

    assert cleaned.get(WAIT_S) == "cleaned up"
    assert replaced.get(WAIT_S) == 30  # by the child process of its attempt
    with pytest.raises(TimeLimitExceeded):
        killed.get(WAIT_S)
    with pytest.raises(SoftTimeLimitExceeded):
        per_call.get(WAIT_S)


def test_a_running_task_is_seen_and_revoked(callboard: Callboard) -> None:
    result = tasks.works.delay()
    eventually(lambda: result.state == "PROGRESS" and result.info == {"current": 1, "total": 9}, deadline_s=WAIT_S)
    result.revoke()
    assert result.state == "PROGRESS"
    result.revoke(terminate=True)

    with pytest.raises(TaskRevokedError):
        result.get(WAIT_S)
    assert result.state == states.REVOKED


def test_each_process_that_runs_tasks_has_begun_with_its_signal(callboard: Callboard) -> None:
    in_worker, in_child = tasks.begun.delay(), tasks.begun_in_child.delay()

    is_begun, seen = in_worker.get(WAIT_S)
    assert (is_begun, len(seen)) == (True, 1)
    assert seen[0].endswith(in_worker.worker)
    assert in_child.get(WAIT_S) == [True, []]  # the worker's own moment is not the child's


def test_signals_of_a_worker_and_a_schedule_of_beat(callboard: Callboard, served: tuple[Callboard, Worker]) -> None:
    worker = served[1]
    callboard.scheduler()
    eventually(lambda: [job.result for job in jobs(callboard, "every second")][:1] == ["tick"], deadline_s=WAIT_S)
    worker.stop()

    noted = [json.loads(line)["event"] for line in worker.log.read_text().splitlines() if "signal:" in line]
    assert noted[:2] == ["signal:worker_process_init", "signal:worker_ready"]
    assert noted[-1] == "signal:worker_shutdown"


def jobs(callboard: Callboard, actor: str) -> list[Job]:
    """Return the jobs of a task that have succeeded."""
    with callboard.database.read() as session:
        name = actor if " " in actor else f"tests.actors.celery_tasks.{actor}"
        return page(session, actor=name, state=State.SUCCEEDED).jobs
