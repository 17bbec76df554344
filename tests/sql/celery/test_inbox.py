"""Messages that Celery's producers have left in a queue, by the bodies and properties that the protocol describes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

import tests.actors.celery_tasks  # noqa: F401 - declares the tasks
from src.broker.consume.claimer import Claimer
from src.broker.consume.deliveries import Arrival
from src.broker.core.load import Load
from src.jobs.core.models import Job
from src.jobs.core.states import HeldFor, State
from src.settings import get_settings
from tests.harness.celery_messages import TASKS, Sent, v2
from tests.harness.inline import Inline
from tests.harness.jobs import look

#: a queue of old producers that no actor uses
QUEUE = "celery"


@pytest.fixture
def inbox(inline: Inline, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    monkeypatch.setenv("CALLBOARD_CELERY_QUEUES", QUEUE)
    get_settings.cache_clear()
    return Inbox(inline)


class Inbox:
    """The claimer of the queue, and the worker that runs what has become a job."""

    def __init__(self, inline: Inline) -> None:
        self.inline, self.database = inline, inline.database
        process = inline.process
        self.claimer = Claimer(process.lease, Load(8), QUEUE, actors=process.actors, policies=process.limits.policies)

    def take(self, *messages: Sent) -> None:
        arrivals = [Arrival(1, tag, False, body, properties=properties) for tag, (properties, body) in enumerate(messages, 1)]
        assert len(self.claimer.take(arrivals).done_with) == len(messages)

    def job(self, id: str) -> Job:
        return look(self.database, id)

    def result(self, id: str) -> Any:
        self.inline.run_all()
        job = self.job(id)
        assert job.state is State.SUCCEEDED, (job.state, job.reason, job.error)
        return job.result


def test_a_message_becomes_a_job_once_with_its_own_id(inbox: Inbox) -> None:
    id = str(uuid4())
    inbox.take(v2("add", 2, 3, id=id), v2("add", 2, 3, id=id))
    inbox.take(v2("add", 7, 7, id=id))

    job = inbox.job(id)
    assert (job.state, job.actor, job.queue, job.args, job.source) == (State.QUEUED, TASKS + "add", "default", [2, 3], "broker")
    assert inbox.result(id) == 5


def test_an_unknown_task_is_held_until_a_worker_has_it(inbox: Inbox) -> None:
    id = str(uuid4())
    inbox.take(v2("proj.gone", 1, id=id))
    assert inbox.job(id).state is State.QUEUED
    assert HeldFor.UNKNOWN_ACTOR
