"""Schedules for tests, and the ends of their jobs, only by the rooms' public functions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from src.jobs.control import actions
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.schedules.edit import editing
from src.schedules.rows import queries
from src.schedules.rows.drafts import Draft
from src.schedules.rows.makers import Maker
from src.schedules.rows.models import Schedule, Tick
from src.schedules.ticks import ticks
from src.schedules.ticks.ticks import Fired
from src.scheduling.tick_follower import Follower
from src.sql.database import Database
from tests.harness.jobs import claim, ended, hired, settle


def created(database: Database, name: str = "nightly", *, actor: str = "sched_work", **fields: Any) -> int:
    """Create a schedule and return its id; every minute by default."""
    if not {"cron", "every_s", "at"} & fields.keys():
        fields["cron"] = "* * * * *"
    with database.write() as session:
        return editing.create(session, Draft(name, actor, **fields), by="tester").id


def fire(database: Database, id: int, make: Maker, **how: Any) -> list[Fired]:
    with database.write() as session:
        return ticks.fire(session, id, make, **how)


def look(database: Database, id: int) -> Schedule:
    with database.read() as session:
        return queries.find(session, id)


def history(database: Database, id: int) -> list[Tick]:
    """Return the ticks, oldest first."""
    with database.read() as session:
        return [run.tick for run in reversed(queries.history(session, id, limit=500).runs)]


def said(database: Database, id: int) -> list[tuple[str, str]]:
    """Return the time of day and the state of each tick."""
    return [(f"{tick.scheduled_for:%H:%M:%S}", tick.state.value) for tick in history(database, id)]


def jobs(database: Database, actor: str | None = None) -> list[Job]:
    """Return all jobs, or an actor's, oldest first."""
    statement = select(Job).order_by(Job.seq)
    with database.read() as session:
        return list(session.execute(statement if actor is None else statement.where(Job.actor == actor)).scalars())


def end(database: Database, id: str, state: State = State.SUCCEEDED, **values: Any) -> None:
    """Bring a queued job to its end."""
    worker = hired(database)
    claimed = claim(database, worker, id)
    assert claimed is not None, "the job cannot be claimed"
    assert settle(database, worker, ended(claimed, state, **values))


def run(database: Database, id: str) -> None:
    """Let a worker claim the job and keep it running."""
    assert claim(database, hired(database), id) is not None


def cancel(database: Database, id: str) -> None:
    with database.write() as session:
        actions.cancel(session, id)


def follow(make: Maker) -> None:
    """Run one step of the follower that every scheduler process runs each second."""
    Follower(make).run_once()


def at(*parts: int) -> datetime:
    """Return a UTC instant."""
    from datetime import UTC

    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]
