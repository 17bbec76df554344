"""That somebody wants to know where a running attempt is. Its worker sees it at its heartbeat and writes the stack into the attempt's log."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ..core.errors import NotAllowed, UnknownJob
from ..core.models import Job, StackWish
from ..core.states import State

#: a wish that no worker has answered by then is over: the attempt has ended, or its worker is gone
ANSWERED_WITHIN = timedelta(minutes=1)


def ask(session: Session, id: str) -> Job:
    """Want the stack of the attempt that this job is running. Raises UnknownJob, or NotAllowed when none runs."""
    job = session.execute(select(Job).where(Job.id == id)).scalars().first()
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    if job.state is not State.RUNNING:
        raise NotAllowed(f"the job is {job.state}: only of one that runs it can be said where it is")
    audit.about("job", job.id, actor=job.actor)
    session.merge(StackWish(job_seq=job.seq, attempt=job.attempt, wished_at=now()))
    return job


def take(session: Session, worker_id: int) -> set[tuple[int, int]]:
    """The (seq, attempt) of this worker whose stack is wanted; each is given out once."""
    mine = (
        select(StackWish.job_seq, StackWish.attempt)
        .join(Job, Job.seq == StackWish.job_seq)
        .where(Job.state == State.RUNNING, Job.worker_id == worker_id, Job.attempt == StackWish.attempt)
    )
    found = {(row[0], row[1]) for row in session.execute(mine)}
    if found:
        session.execute(delete(StackWish).where(StackWish.job_seq.in_([seq for seq, _ in found])))
    return found


def prune(session: Session) -> None:
    """Delete the wishes that nobody will answer."""
    session.execute(delete(StackWish).where(StackWish.wished_at < now() - ANSWERED_WITHIN))
