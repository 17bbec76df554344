"""Runs beside one job: those with the same arguments, and the last one that succeeded. Bounded by jobs looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from ..core.models import Attempt, Job, Worker
from ..core.states import State

#: newest jobs of an actor that one search looks at: an index by arguments would cost every submission
LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class Runs:
    """Jobs of one actor with the same arguments, newest first. `next`: pass it as `after` to search older jobs."""

    jobs: list[Job]
    next: int | None


def same_arguments(session: Session, job: Job, *, after: int | None = None, limit: int = 20) -> Runs:
    """Return the runs with the arguments of this job, without itself, among the newest jobs of its actor."""
    recent = _recent(job, after).subquery()
    own = aliased(Job)
    matching = select(recent.c.seq).join(own, own.seq == job.seq).where(recent.c.args == own.args, recent.c.kwargs == own.kwargs)
    seqs = list(session.execute(matching.where(recent.c.seq != job.seq).order_by(recent.c.seq.desc()).limit(limit + 1)).scalars())
    found = {each.seq: each for each in session.execute(select(Job).where(Job.seq.in_(seqs[:limit]))).scalars()}
    if len(seqs) > limit:
        return Runs([found[seq] for seq in seqs[:limit] if seq in found], seqs[limit - 1])
    oldest = select(Job.seq).where(Job.actor == job.actor, *_before(after)).order_by(Job.seq.desc()).offset(LOOKED_AT - 1).limit(1)
    return Runs([found[seq] for seq in seqs if seq in found], session.execute(oldest).scalar())


def last_success(session: Session, job: Job) -> Job | None:
    """Return the newest other run that succeeded: with the arguments of this job, else of its actor."""
    recent = _recent(job, None).subquery()
    own = aliased(Job)
    succeeded = (
        select(recent.c.seq).where(recent.c.seq != job.seq, recent.c.state == State.SUCCEEDED).order_by(recent.c.seq.desc()).limit(1)
    )
    same = succeeded.join(own, own.seq == job.seq).where(recent.c.args == own.args, recent.c.kwargs == own.kwargs)
    for statement in (same, succeeded):
        seq = session.execute(statement).scalar()
        if seq is not None:
            return session.execute(select(Job).where(Job.seq == seq)).scalar_one_or_none()
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


def _recent(job: Job, after: int | None) -> Select[Any]:
    columns = select(Job.seq, Job.args, Job.kwargs, Job.state)
    return columns.where(Job.actor == job.actor, *_before(after)).order_by(Job.seq.desc()).limit(LOOKED_AT)


def _before(after: int | None) -> list[Any]:
    return [] if after is None else [Job.seq < after]
