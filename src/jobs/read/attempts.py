"""Ended attempts of jobs: the newest of each, or all in pages. A job that may always retry has thousands."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from ..core.models import Attempt, Job

#: newest attempts of a job, the running one included, that are read with it
NEWEST = 50


def load_newest(session: Session, jobs: Sequence[Job]) -> None:
    """Set `attempts` of these jobs to the newest that have ended, oldest first."""
    if not jobs:
        return
    found: dict[int, list[Attempt]] = {job.seq: [] for job in jobs}
    newest = select(Attempt).join(Job, Job.seq == Attempt.job_seq).where(Job.seq.in_(found), Attempt.number > Job.attempt - NEWEST)
    for attempt in session.execute(newest.order_by(Attempt.job_seq, Attempt.number)).scalars():
        found[attempt.job_seq].append(attempt)
    for job in jobs:
        set_committed_value(job, "attempts", found[job.seq])


def of(session: Session, job: Job, *, before: int | None = None, limit: int | None = None) -> list[Attempt]:
    """Return the ended attempts of a job, newest first; `before`: only those with a lower number."""
    statement = select(Attempt).where(Attempt.job_seq == job.seq, *([] if before is None else [Attempt.number < before]))
    return list(session.execute(statement.order_by(Attempt.number.desc()).limit(limit)).scalars())
