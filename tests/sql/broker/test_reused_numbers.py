"""A killed PostgreSQL may forget the submission of a job that runs, and give its number to the next one: that one still runs, once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

import src.actors
from src.broker.consume.claimer import Claimer
from src.broker.consume.deliveries import Arrival, Delivery
from src.broker.options.limits import Limits
from src.broker.process.worker_process import WorkerProcess
from src.jobs import State, current_job, submit
from src.jobs.core.models import Job
from src.jobs.submit.submission import new_id
from src.sql.database import Database
from tests.harness.attempts import declared
from tests.harness.jobs import look, message

pytestmark = pytest.mark.both_stores


class _Channel:
    """Accepts acknowledgements."""

    def settled(self, arrivals: list[Any]) -> None:
        pass


def plain(text: str) -> str:
    return text


def transactional(text: str) -> str:
    current_job.session.execute(select(Job.seq))
    return text


@pytest.fixture
def process(database: Database) -> Iterator[WorkerProcess]:
    """A worker process without RabbitMQ, with both actors."""
    broker = src.actors.broker
    with declared(plain, actor_name="plain"), declared(transactional, actor_name="transactional", transactional=True):
        limits = next(each for each in broker.middleware if isinstance(each, Limits))
        made = WorkerProcess(threads=1, queues=["default"], actors=dict(broker.actors), limits=limits)
        os.close(made.status_page._descriptor)
        made._register()
        yield made


def claim(process: WorkerProcess, id: str) -> list[Delivery]:
    """Deliver the message of the job's first attempt; return what is claimed."""
    claimer = Claimer(process.lease, process.load, "default", actors=src.actors.broker.actors, policies={})
    body = {"queue_name": "default", "actor_name": "plain", "args": [], "kwargs": {}, "options": {"attempt": 1}, "message_id": id}
    taken = claimer.take([Arrival(1, 1, False, json.dumps({**body, "message_timestamp": 0}).encode())])
    process.lease.held.update({(one.seq, one.attempt): one.id for one, _ in taken.claimed})
    return [Delivery(one, arrival, _Channel()) for one, arrival in taken.claimed]


def run(process: WorkerProcess, delivery: Delivery) -> None:
    """Run the attempt, and commit its end."""
    process.executor(src.actors.broker).run(delivery)
    batch, _ = process.committer._drain(process.committer._queue.get_nowait())
    process.committer._commit(batch)


def replaced(database: Database, lost: str) -> str:
    """The database has forgotten this job and its claim, and another one has its number; return the id of that one."""
    id = new_id()
    with database.write() as session:
        fresh = {"id": id, "args": ["the next"], "state": State.QUEUED, "attempt": 0, "worker_id": None, "started_at": None}
        session.execute(update(Job).where(Job.id == lost).values(fresh))
    return id


@pytest.mark.parametrize("actor", ["plain", "transactional"])
@pytest.mark.parametrize("is_claimed_first", [True, False])
def test_the_end_of_a_forgotten_job_is_not_that_of_the_next(
    database: Database, process: WorkerProcess, actor: str, *, is_claimed_first: bool
) -> None:
    with database.write() as session:
        lost = submit(session, message("the first", actor=actor)).id
    [first] = claim(process, lost)
    next_one = replaced(database, lost)

    process._heartbeat()
    assert look(database, next_one).state is State.QUEUED, "it is not taken for the first"

    if is_claimed_first:
        [second] = claim(process, next_one)
        run(process, first)
        assert look(database, next_one).state is State.RUNNING
    else:
        run(process, first)
        assert look(database, next_one).state is State.QUEUED
        [second] = claim(process, next_one)
    run(process, second)

    job = look(database, next_one)
    assert (job.state, job.result, job.crashes) == (State.SUCCEEDED, "the next", 0)
    assert process.lease.held == {}
