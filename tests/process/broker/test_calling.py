"""Sending, waiting for results, calling directly: as Dramatiq users expect."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dramatiq import Message, group, pipeline
from dramatiq.results import ResultFailure, ResultMissing, ResultTimeout

from src.jobs import State
from src.jobs.control.actions import cancel
from src.jobs.read.queries import find
from src.sql.clock import now
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import Worker
from tests.harness.waiting import eventually

TIMEOUT_MS = 60_000


def result(message: Message[Any]) -> Any:
    return message.get_result(block=True, timeout=TIMEOUT_MS)


@pytest.mark.parametrize("value", [None, 0, "", "ü \x00 \u2028", [1, [2]], {"a": None}, 10**30, 1e-9, True], ids=ascii)
def test_an_actor_gets_its_arguments_and_its_result_comes_back(callboard: Callboard, value: Any) -> None:
    message = actors.echo.send(value)

    assert result(message) == value
    job = callboard.job(message.message_id)
    assert (job.state, job.attempt, job.failures) == (State.SUCCEEDED, 1, 0)
    assert [(a.number, a.worker == job.attempts[0].worker) for a in job.attempts] == [(1, True)]


def test_an_actor_is_still_a_plain_function() -> None:
    assert actors.echo(5) == 5
    with pytest.raises(ValueError, match="no"):
        actors.fail("no")


def test_positional_and_named_arguments_both_arrive(callboard: Callboard) -> None:
    assert result(actors.strictly.send(1, word="x")) == [1, "x"]
    assert result(actors.strictly.send(number=2)) == [2, "default"]


def test_arguments_get_the_types_that_the_actor_declares(callboard: Callboard) -> None:
    assert result(actors.when.send_with_options(args=("2030-01-01T00:00:00Z",))) == "UTC"


def test_an_async_actor_runs_and_knows_its_job(callboard: Callboard) -> None:
    message = actors.fetch.send("page")

    assert result(message) == ["page", message.message_id]
    assert callboard.job(message.message_id).progress_message == "awaited"


def test_a_failure_is_raised_where_the_result_is_asked_for(callboard: Callboard) -> None:
    message = actors.fail.send("it broke: badly")

    with pytest.raises(ResultFailure, match="actor raised ValueError: it broke: badly") as failed:
        result(message)

    assert (failed.value.orig_exc_type, failed.value.orig_exc_msg) == ("ValueError", "it broke: badly")
    job = callboard.job(message.message_id)
    assert (job.state, job.reason, job.error) == (State.DEAD, "no retries are allowed", "ValueError: it broke: badly")
    assert "in fail\n    raise ValueError(words)" in (job.attempts[0].traceback or "")


def test_a_result_that_is_not_there_yet_is_missing(quiet: Callboard) -> None:
    message = actors.echo.send(1)

    with pytest.raises(ResultMissing):
        message.get_result()
    with pytest.raises(ResultTimeout):
        message.get_result(block=True, timeout=50)


def test_a_message_that_was_never_sent_has_no_result(quiet: Callboard) -> None:
    with pytest.raises(ResultMissing):
        actors.echo.message(1).get_result()


def test_a_cancelled_job_has_no_result_and_says_why(quiet: Callboard) -> None:
    message = actors.echo.send(1)
    with quiet.database.write() as session:
        cancel(session, message.message_id)

    with pytest.raises(ResultFailure, match="job is cancelled: cancelled while it waited"):
        message.get_result()


def test_a_result_that_cannot_be_kept_ends_the_job_with_the_cure(callboard: Callboard) -> None:
    job = callboard.until(actors.unstorable.send())

    assert job.state is State.DEAD
    assert "return text, numbers, lists, objects or pydantic models" in (job.reason or "")


def test_a_delayed_message_is_not_run_early(callboard: Callboard) -> None:
    sent_at = now()
    message = actors.echo.send_with_options(args=(1,), delay=1500)
    waiting = callboard.job(message.message_id)

    job = callboard.until(message)

    assert waiting.state is State.SCHEDULED
    assert job.attempts[0].started_at - sent_at >= timedelta(milliseconds=1400)  # the shared clock may be corrected in between


def test_a_far_delay_is_a_row_and_no_message(callboard: Callboard) -> None:
    message = actors.echo.send_with_options(args=(1,), delay=timedelta(days=400))

    job = callboard.job(message.message_id)
    assert (job.state, job.publish_at) == (State.SCHEDULED, None)
    assert job.due_at is not None
    assert job.due_at - now() > timedelta(days=399)


def test_an_expired_job_says_so_and_is_not_run(callboard: Callboard) -> None:
    id = callboard.submit(actors.echo.message(1), due_at=now() + timedelta(seconds=0.5), expires_at=now() + timedelta(seconds=0.2))

    job = callboard.until(id)
    assert (job.state, job.reason, job.attempts) == (State.EXPIRED, "it had not started when it expired", [])


def test_a_pipeline_hands_each_result_to_the_next_step(callboard: Callboard) -> None:
    steps = pipeline([actors.increment.message(1), actors.increment.message_with_options(), actors.increment.message_with_options()]).run()

    assert steps.get_result(block=True, timeout=TIMEOUT_MS) == 4
    assert list(steps.get_results(block=True, timeout=TIMEOUT_MS)) == [2, 3, 4]
    assert [callboard.job(step.message_id).source for step in steps.messages] == ["send", "pipeline", "pipeline"]


def test_a_step_that_fails_ends_its_pipeline(callboard: Callboard) -> None:
    steps = (actors.fail.message("first") | actors.increment.message_with_options()).run()

    assert callboard.until(steps.messages[0]).state is State.DEAD
    with callboard.database.read() as session:
        assert find(session, steps.messages[1].message_id) is None


def test_a_group_collects_its_results(callboard: Callboard) -> None:
    numbers = group([actors.increment.message(number) for number in range(10)]).run()

    assert list(numbers.get_results(block=True, timeout=TIMEOUT_MS)) == list(range(1, 11))


def test_success_and_failure_have_their_callbacks(callboard: Callboard) -> None:
    good, bad = actors.call_back.send(True), actors.call_back.send(False)
    callboard.until(good)
    callboard.until(bad)

    def noted(actor: str, message: Message[Any]) -> Callable[[], list[Any]]:
        return lambda: [
            j.result[1] for j in callboard.jobs(actor=actor) if j.state is State.SUCCEEDED and j.args[0]["message_id"] == message.message_id
        ]

    assert eventually(noted("note_success", good), deadline_s=60) == ["yes"]
    failures = eventually(lambda: len(noted("note_failure", bad)()) == 2 and noted("note_failure", bad)(), deadline_s=60)
    assert failures == [{"type": "ValueError", "message": "no"}] * 2
    assert eventually(noted("note_exhausted", bad), deadline_s=60) == [{"retries": 1, "max_retries": 1}]
    assert noted("note_success", bad)() == noted("note_failure", good)() == noted("note_exhausted", good)() == []


def test_many_threads_may_send_at_once(callboard: Callboard) -> None:
    sent: list[Message[Any]] = []

    def send() -> None:
        for number in range(25):
            sent.append(actors.echo.send(number))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(result(message) for message in sent) == sorted(list(range(25)) * 4)
    assert all(len(callboard.job(message.message_id).attempts) == 1 for message in sent)


def test_the_message_in_rabbitmq_is_what_any_dramatiq_program_reads(quiet: Callboard) -> None:
    message = actors.strictly.send(1, word="ü")
    eventually(lambda: quiet.job(message.message_id).published_at, deadline_s=60)

    (found,) = quiet.node.api(
        "POST", f"/api/queues/{quiet.vhost}/default/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    )

    assert json.loads(found["payload"]) == {
        "queue_name": "default",
        "actor_name": "strictly",
        "args": [1],
        "kwargs": {"word": "ü"},
        "options": {"attempt": 1},
        "message_id": message.message_id,
        "message_timestamp": int(quiet.job(message.message_id).created_at.timestamp() * 1000),
    }
    properties = found["properties"]
    assert (properties["message_id"], properties["type"], properties["delivery_mode"], properties["app_id"]) == (
        message.message_id,
        "strictly",
        2,
        "callboard",
    )


def test_a_worker_says_what_it_is_connected_to_without_passwords(callboard: Callboard, worker: Worker) -> None:
    worker.wait_until_it_says("worker_serves", f"127.0.0.1:{callboard.node.ports.amqp}/{callboard.vhost}", '"echo"', '"default"')
    assert callboard.node.password not in worker.text()


def test_a_job_records_when_it_was_created_started_and_finished_in_order(callboard: Callboard) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)

    job = callboard.until(actors.echo.send(1))

    (attempt,) = job.attempts
    assert job.finished_at is not None
    assert before < job.created_at <= attempt.started_at <= attempt.finished_at == job.finished_at
