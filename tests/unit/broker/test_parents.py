"""A job remembers the job whose actor submitted it, or that it follows."""

from __future__ import annotations

from collections.abc import Iterator

import dramatiq
import pytest
from dramatiq import Message
from dramatiq.broker import MessageProxy
from dramatiq.brokers.stub import StubBroker

from src.broker.options.callbacks import FollowUps, after_failure, after_success
from src.jobs.attempts.current_job import RunningJob, current_job
from src.jobs.submit.requests import submission_of


@pytest.fixture
def running() -> Iterator[RunningJob]:
    job = RunningJob(
        seq=1, id="the parent", actor="add", queue="default", attempt=1, worker="here:1", scheduled_for=None, open_session=None
    )
    current_job.job = job
    yield job
    current_job.job = None


def message(id: str = "a", **options: object) -> Message[object]:
    return Message(queue_name="default", actor_name="add", args=(1,), kwargs={}, options=options, message_id=id)


def test_a_job_that_an_actor_submits_has_the_actors_job_as_its_parent(running: RunningJob) -> None:
    assert submission_of(message()).parent_id == "the parent"
    assert submission_of(message(), delay=5).parent_id == "the parent"
    assert submission_of(message(), parent_id="another").parent_id == "another"


def test_a_job_that_a_program_submits_has_none() -> None:
    assert submission_of(message()).parent_id is None


def test_callbacks_and_the_next_step_of_a_pipeline_have_the_job_that_they_follow() -> None:
    broker = StubBroker(middleware=[FollowUps()])

    @dramatiq.actor(broker=broker)
    def add(*_: object) -> None: ...

    following = message("first", on_success="add", on_failure="add", on_retry_exhausted="add", pipe_target=message("next").asdict())
    proxy = MessageProxy(following)
    assert [(each.source, each.parent_id) for each in after_success(broker, add, proxy, "1")] == [
        ("callback", "first"),
        ("pipeline", "first"),
    ]
    failed, missing = after_failure(broker, add, proxy, ValueError("no"), exhausted=True, failures=1, mask=str)
    assert ([each.parent_id for each in failed], missing) == (["first", "first"], "")
