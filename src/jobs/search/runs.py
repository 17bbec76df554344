"""Runs beside one job: those with the same arguments, and the last one that succeeded. Searched within a time, like any query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from ..core.models import Attempt, Job, Worker
from ..core.states import State
from . import extent
from .extent import Extent

#: time budget in seconds of one search: an index by arguments would cost every submission
BUDGET_S = 0.015


@dataclass(frozen=True, slots=True)
class Runs:
    """Jobs of one actor with the same arguments, newest first. `next`: pass it as `after` to search older jobs."""

    jobs: list[Job]
    next: int | None


def same_arguments(session: Session, job: Job, *, after: int | None = None, limit: int = 20) -> Runs:
    """Return the runs with the arguments of this job, without itself, from the newest back."""
    searched = _extent(session, after)
    jobs: list[Job] = []
    for found in _search(session, job, searched, *_equal(job), limit=limit + 1):
        jobs += found
        if len(jobs) > limit:
            return Runs(jobs[:limit], jobs[limit - 1].seq)
    return Runs(jobs, None if searched.is_through else searched.reached)


def last_success(session: Session, job: Job) -> Job | None:
    """Return the newest other run that succeeded: with the arguments of this job, else of its actor."""
    succeeded = Job.state == State.SUCCEEDED
    for conditions in ((succeeded, *_equal(job)), (succeeded,)):
        for found in _search(session, job, _extent(session, None), *conditions, limit=1):
            if found:
                return found[0]
    return None


def version_of(session: Session, job: Job) -> str | None:
    """Return the version of the worker that runs the job or ran its last attempt; None: unknown."""
    if job.worker_id is not None:
        return session.execute(select(Worker.version).where(Worker.id == job.worker_id)).scalar()
    last: Attempt | None = job.attempts[-1] if job.attempts else None
    if last is None:
        return None
    # A process id may be used again: the newest process that had begun by then.
    statement = select(Worker.version).where(Worker.name == last.worker, Worker.started_at <= last.started_at)
    return session.execute(statement.order_by(Worker.started_at.desc()).limit(1)).scalar()


def _extent(session: Session, after: int | None) -> Extent:
    end = extent.newest(session) + 1
    top = end if after is None else min(after, end)
    return Extent(1, top, extent.FIRST, top)


def _search(session: Session, job: Job, searched: Extent, *conditions: Any, limit: int) -> Iterator[list[Job]]:
    """Yield the matching jobs of the same actor, range by range from the newest back; at least one range."""
    for low, high, _ in searched.stretches(BUDGET_S):
        within = Job.seq >= low, Job.seq < high
        statement = select(Job).where(Job.actor == job.actor, Job.seq != job.seq, *within, *conditions)
        yield list(session.execute(statement.order_by(Job.seq.desc()).limit(limit)).scalars())


def _equal(job: Job) -> tuple[Any, Any]:
    """Conditions: the stored texts of the arguments are the same."""
    own = aliased(Job)
    args, kwargs = (select(column).where(own.seq == job.seq).scalar_subquery() for column in (own.args, own.kwargs))
    return Job.args == args, Job.kwargs == kwargs
