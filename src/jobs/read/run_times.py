"""Run times of the newest attempts that have ended.

The row of a job that an attempt has ended says it. For one that waits again, or has ended while it waited, the attempt does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from ..core.models import Attempt, Job
from ..core.states import State

#: final states that only an attempt reaches
OF_ATTEMPTS = (State.SUCCEEDED, State.DEAD)


def of(session: Session, jobs: Sequence[Job]) -> dict[int, timedelta]:
    """Return the run times by number of the job: at most one statement, and for most lists none."""
    found: dict[int, timedelta] = {}
    others = []
    for job in jobs:
        if job.state in OF_ATTEMPTS and job.started_at is not None and job.finished_at is not None:
            found[job.seq] = job.finished_at - job.started_at
        elif job.attempt and job.state is not State.RUNNING:
            others.append(job.seq)
    if others:
        newest = and_(Attempt.job_seq == Job.seq, Attempt.number == Job.attempt)
        statement = select(Job.seq, Attempt.started_at, Attempt.finished_at).join(Attempt, newest).where(Job.seq.in_(others))
        found |= {seq: finished - started for seq, started, finished in session.execute(statement)}
    return found
