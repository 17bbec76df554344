"""Django's tasks on Callboard: declared as actors, enqueued in Django's transaction, their results read from the job's row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction

import src.actors
from src.actor_schema.signature import Signature
from src.django import submit
from src.django.frameworks import TaskResult, TaskResultDoesNotExist, TaskResultStatus, task_enqueued, task_finished, task_started
from src.django.tasks import priority_of
from src.jobs.control import actions
from src.jobs.core.states import State
from src.sql.database import write
from tests.harness.inline import Inline
from tests.harness.jobs import look
from tests.sql.django import shop_tasks as tasks

pytestmark = pytest.mark.usefixtures("orders")


@pytest.fixture
def sent() -> Iterator[list[tuple[str, Any]]]:
    """Signals: their names, and the status of the result then."""
    found: list[tuple[str, Any]] = []
    signals = {"enqueued": task_enqueued, "started": task_started, "finished": task_finished}
    receivers = {name: lambda task_result, name=name, **_: found.append((name, task_result.status)) for name in signals}
    for name, signal in signals.items():
        signal.connect(receivers[name])
    yield found
    for name, signal in signals.items():
        signal.disconnect(receivers[name])


def test_a_task_is_an_actor_with_its_path_signature_and_queue() -> None:
    actor = src.actors.broker.actors["tests.sql.django.shop_tasks.pack"]

    assert (actor.queue_name, actor.fn.__doc__) == ("default", "Pack an order.")
    assert list(Signature.of(actor).parameters) == ["order_id", "gift"]
    assert list(Signature.of(src.actors.broker.actors["tests.sql.django.shop_tasks.count_attempts"]).parameters) == ["order_id"]
    assert "mail" in src.actors.broker.queues


def test_its_result_goes_from_ready_to_successful(inline: Inline, sent: list[tuple[str, Any]]) -> None:
    result = tasks.pack.enqueue(7, gift=True)
    assert (result.status, result.args, result.kwargs, result.attempts) == (TaskResultStatus.READY, [7], {"gift": True}, 0)
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value

    inline.run_all()
    result.refresh()

    assert (result.status, result.return_value, result.is_finished) == (TaskResultStatus.SUCCESSFUL, {"order": 7, "gift": True}, True)
    assert result.worker_ids == [inline.process.lease.name]
    assert result.enqueued_at <= result.started_at == result.last_attempted_at <= result.finished_at
    found = tasks.pack.get_result(result.id)
    assert isinstance(found, TaskResult)
    assert (found.return_value, found.task) == (result.return_value, tasks.pack)
    ready, running, successful = TaskResultStatus.READY, TaskResultStatus.RUNNING, TaskResultStatus.SUCCESSFUL
    assert sent == [("enqueued", ready), ("started", running), ("finished", successful)]


def test_an_error_fails_it_with_class_and_traceback(inline: Inline, sent: list[tuple[str, Any]]) -> None:
    result = tasks.fail.enqueue(7)
    inline.run_all()
    result.refresh()

    [error] = result.errors
    assert (result.status, error.exception_class) == (TaskResultStatus.FAILED, tasks.OutOfStock)
    assert "no tea for 7" in error.traceback
    assert sent[-1] == ("finished", TaskResultStatus.FAILED)
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value


def test_retries_are_an_option_of_the_backend(inline: Inline, sent: list[tuple[str, Any]]) -> None:
    result = tasks.fail_once.enqueue(7)
    inline.run(result.id)
    result.refresh()
    assert (result.status, [error.exception_class for error in result.errors]) == (TaskResultStatus.READY, [ValueError])
    assert sent[-1][0] == "started"

    with write() as session:
        actions.run_now(session, result.id)
    inline.run_all()
    result.refresh()
    assert (result.status, result.return_value, result.attempts, len(result.errors)) == (TaskResultStatus.SUCCESSFUL, 7, 2, 1)


def test_the_context_has_the_attempt_and_the_result(inline: Inline) -> None:
    result = tasks.count_attempts.enqueue(7)
    inline.run_all()
    result.refresh()

    assert result.return_value == [7, 1, result.id, TaskResultStatus.RUNNING]


def test_a_coroutine_is_awaited_and_enqueued_by_one(inline: Inline) -> None:
    result = async_to_sync(tasks.greet.aenqueue)("Ada")
    inline.run_all()

    assert async_to_sync(tasks.greet.aget_result)(result.id).return_value == "hello Ada"


def test_priority_queue_and_start_are_those_of_the_job(inline: Inline) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    result = tasks.pack.using(priority=-100, queue_name="mail", run_after=tomorrow).enqueue(7)
    job = look(inline.database, result.id)

    assert (job.priority, job.queue, job.state, job.due_at) == (0, "mail", State.SCHEDULED, tomorrow)
    assert [priority_of(tasks.pack.using(priority=each)) for each in (-100, -50, -1, 0, 1, 50, 100)] == [0, 2, 4, 5, 6, 7, 9]
    assert look(inline.database, tasks.greet.enqueue("Ada").id).priority == 9


@pytest.mark.both_stores
def test_a_task_is_enqueued_with_djangos_transaction(inline: Inline) -> None:
    with suppress(RuntimeError), transaction.atomic():
        result = tasks.pack.enqueue(7)
        assert tasks.pack.get_result(result.id).status == TaskResultStatus.READY
        raise RuntimeError

    with pytest.raises(TaskResultDoesNotExist):
        tasks.pack.get_result(result.id)


def test_a_cancelled_job_is_a_failed_task(inline: Inline) -> None:
    result = tasks.pack.enqueue(7)
    with write() as session:
        actions.cancel(session, result.id)
    result.refresh()

    assert (result.status, result.errors) == (TaskResultStatus.FAILED, [])


def test_the_job_of_another_actor_has_no_result(inline: Inline) -> None:
    receipt = submit(src.actors.broker.actors["add"].message(1, 2))

    with pytest.raises(TaskResultDoesNotExist):
        tasks.pack.get_backend().get_result(receipt.id)


def test_arguments_that_are_not_json_are_refused(inline: Inline) -> None:
    with pytest.raises(TypeError):
        tasks.pack.enqueue(object())


def test_a_task_can_be_called_in_a_test() -> None:
    assert tasks.pack.call(7) == {"order": 7, "gift": False}
