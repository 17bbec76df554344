"""Jobs for tests: created, and moved to any state, only by public functions of the jobs room."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dramatiq import Message
from sqlalchemy import delete

from src.jobs.control import actions, held
from src.jobs.core.claimed import Claimed
from src.jobs.core.models import Attempt, Heartbeat, Job, UniquePeriod, Worker
from src.jobs.core.states import Outcome, State
from src.jobs.finish import settle as finish_settle
from src.jobs.finish.settle import Finished, present_us
from src.jobs.leases import claims, workers
from src.jobs.limits.models import BreakerState, Control, RateLimit, Slot
from src.jobs.read.queries import find
from src.jobs.relay import due_jobs
from src.jobs.submit.requests import Receipt
from src.jobs.submit.submission import new_id, submit
from src.sql.clock import now
from src.sql.database import Database

#: outcome of the attempt when its job moves to a state
OUTCOMES = {
    State.SUCCEEDED: Outcome.SUCCEEDED,
    State.RETRYING: Outcome.FAILED,
    State.DEAD: Outcome.FAILED,
    State.HELD: Outcome.HELD,
    State.CANCELLED: Outcome.CANCELLED,
}


class StillClock:
    """The shared clock, stopped until a test moves it."""

    def __init__(self) -> None:
        self.instant = datetime.now(UTC)

    def now(self) -> datetime:
        return self.instant

    def forward(self, seconds: float) -> datetime:
        """Advance the clock by so many seconds, and return the new instant."""
        self.instant += timedelta(seconds=seconds)
        return self.instant


def message(*args: Any, actor: str = "add", queue: str = "default", id: str | None = None, **options: Any) -> Message[Any]:
    """Build a message like an actor's `message()`."""
    return Message(queue_name=queue, actor_name=actor, args=args, kwargs={}, options=options, message_id=id or new_id())


def submitted(database: Database, *args: Any, actor: str = "add", queue: str = "default", **how: Any) -> Receipt:
    """Submit one job and commit."""
    with database.write() as session:
        return submit(session, message(*args, actor=actor, queue=queue), **how)


def hired(database: Database, name: str = "here:1", *, actors: Sequence[str] = ("add",)) -> int:
    """Register a worker process and return its id."""
    with database.write() as session:
        return workers.register(session, name=name, host="here", pid=1, version="0", threads=4, queues=["default"], actors=actors)


def claim(database: Database, worker: int, id: str, attempt: int = 1) -> Claimed | None:
    """Claim one attempt of one job for this worker."""
    with database.write() as session:
        return next(iter(claims.claim(session, worker, [(id, attempt)])), None)


def claimed(database: Database, worker: int, *args: Any, **how: Any) -> Claimed:
    """Return a new job, claimed by this worker."""
    one = claim(database, worker, submitted(database, *args, **how).id)
    assert one is not None
    return one


def all_claimed(database: Database, worker: int, count: int, *, actor: str = "add", queue: str = "default") -> list[Claimed]:
    """Return this many new jobs, each with its number as argument, submitted in one transaction and claimed in another."""
    with database.write() as session:
        ids = [submit(session, message(number, actor=actor, queue=queue)).id for number in range(count)]
    with database.write() as session:
        found = sorted(claims.claim(session, worker, [(id, 1) for id in ids]), key=lambda one: one.seq)
    assert len(found) == count
    return found


def ended(claimed: Claimed, state: State = State.SUCCEEDED, **values: Any) -> Finished:
    """Return the end of a claimed attempt, not yet written."""
    begun = present_us()
    if state is State.RETRYING:
        values.setdefault("due_us", begun + 60_000_000)
    return Finished(claimed.seq, claimed.id, claimed.attempt, state, OUTCOMES[state], begun, begun, **values)


def settle(database: Database, worker: int, *finished: Finished, name: str = "here:1") -> set[int]:
    """Write ends and commit."""
    with database.write() as session:
        return finish_settle.settle(session, finished, worker_id=worker, worker=name)


def look(database: Database, id: str) -> Job:
    """Return the job with its attempts, read now."""
    with database.read() as session:
        job = find(session, id)
    assert job is not None
    return job


def in_state(database: Database, state: State, *, unique_key: str | None = None) -> str:
    """Return the id of a new job in this state."""
    if state is State.SCHEDULED:
        return submitted(database, due_at=now() + timedelta(hours=1), unique_key=unique_key).id
    if state is State.EXPIRED:
        id = submitted(database, expires_at=now() - timedelta(seconds=1), unique_key=unique_key).id
        with database.write() as session:
            assert due_jobs.expire(session)
        return id
    id = submitted(database, unique_key=unique_key).id
    if state is State.QUEUED:
        return id
    if state is State.HELD:
        with database.write() as session:
            held.hold_unknown_actors(session, [id], "here:1")
        return id
    if state is State.CANCELLED:
        with database.write() as session:
            actions.cancel(session, id)
        return id
    worker = hired(database)
    one = claim(database, worker, id)
    assert one is not None
    if state is not State.RUNNING:
        assert settle(database, worker, ended(one, state))
    return id


def empty(database: Database) -> None:
    """Delete every row of the jobs room."""
    with database.write() as session:
        for table in (Attempt, BreakerState, Control, Heartbeat, Job, RateLimit, Slot, UniquePeriod, Worker):
            session.execute(delete(table))
