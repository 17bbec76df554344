"""Dead and stalled workers: the relay tells them apart while the store is slow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from dramatiq import Message
from sqlalchemy import select, update

import src.actors
from src.broker.recover.relay import Relay
from src.jobs import submit
from src.jobs.core.models import Job, Worker
from src.jobs.core.states import State
from src.jobs.leases import claims, workers
from src.jobs.submit.submission import new_id
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.stores import only_on
from tests.harness.waiting import eventually

assert src.actors  # connects the hook that a relay needs

pytestmark = pytest.mark.both_stores


@pytest.fixture
def relay(database: Database) -> Iterator[Relay]:
    """A relay that waits as long as in production before it takes over jobs."""
    made = Relay()
    yield made
    made.close()


@only_on("sqlite")  # PostgreSQL has no lock that every writer waits for
def test_the_jobs_of_a_lost_worker_are_given_away_while_every_write_has_to_wait(relay: Relay, database: Database) -> None:
    id = running_job(database, silent_for_s=60)
    ended = threading.Event()
    hog = threading.Thread(target=hold_the_write_lock, args=(database, ended, 2.5), daemon=True)
    hog.start()
    try:
        relay.start()
        eventually(lambda: state_of(database, id) is State.QUEUED, deadline_s=20, what="the job is given away")
    finally:
        ended.set()
        hog.join()


def test_a_worker_that_had_to_wait_for_the_store_as_long_as_the_relay_keeps_its_jobs(chaos: dict[str, str], database: Database) -> None:
    id = running_job(database, silent_for_s=2)

    with database.write() as session:
        assert workers.take_over(session, grace=timedelta(seconds=3)) == 0
    assert state_of(database, id) is State.RUNNING

    with database.write() as session:
        assert workers.take_over(session, grace=timedelta(seconds=1)) == 1
    assert state_of(database, id) is State.QUEUED


def running_job(database: Database, *, silent_for_s: float) -> str:
    """A job of a worker whose lease ended so many seconds ago."""
    with database.write() as session:
        worker = workers.register(session, name="gone:1", host="gone", pid=1, version="0", threads=1, queues=["chaos"], actors=["work"])
        message: Message[object] = Message(queue_name="chaos", actor_name="work", args=(1,), kwargs={}, options={}, message_id=new_id())
        receipt = submit(session, message)
        assert claims.claim(session, worker, [(receipt.id, 1)])
        session.execute(update(Worker).where(Worker.id == worker).values(expires_at=now() - timedelta(seconds=silent_for_s)))
    return receipt.id


def hold_the_write_lock(database: Database, ended: threading.Event, seconds: float) -> None:
    """Take the lock again and again for so long, and let others have it for a moment."""
    while not ended.is_set():
        with database.write() as session:
            session.execute(select(Job.seq).limit(1))
            ended.wait(seconds)
        ended.wait(0.2)


def state_of(database: Database, id: str) -> State:
    with database.read() as session:
        return session.execute(select(Job.state).where(Job.id == id)).scalar_one()
