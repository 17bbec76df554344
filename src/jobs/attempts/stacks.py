"""Stack requests: a worker sees the request at its heartbeat and writes the attempt's stack into its log."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ...sql.direct import Direct
from ...sql.statements import Single
from ..core.errors import NotAllowed, UnknownJob
from ..core.models import Job, StackRequest
from ..core.states import State

#: a request without an answer by then has expired: the attempt has ended, or its worker is gone
ANSWERED_WITHIN = timedelta(minutes=1)

_REQUESTED = Single(f"""
    SELECT r.job_seq, r.attempt FROM stack_wishes r JOIN jobs ON jobs.seq = r.job_seq
    WHERE jobs.state = '{State.RUNNING}' AND jobs.worker_id = :worker_id AND jobs.attempt = r.attempt
""")
_TAKE = Single("DELETE FROM stack_wishes WHERE job_seq = :seq RETURNING job_seq")


def ask(session: Session, id: str) -> Job:
    """Request the stack of the attempt that this job is running. Raises UnknownJob, or NotAllowed if none runs."""
    job = session.execute(select(Job).where(Job.id == id)).scalars().first()
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    if job.state is not State.RUNNING:
        raise NotAllowed(f"the job is {job.state}: only a running job has a stack")
    audit.about("job", job.id, actor=job.actor)
    session.merge(StackRequest(job_seq=job.seq, attempt=job.attempt, wished_at=now()))
    return job


def take(session: Session | Direct, worker_id: int) -> set[tuple[int, int]]:
    """Take the (seq, attempt) of this worker whose stack is requested; each is returned once."""
    found = {(seq, attempt) for seq, attempt in _REQUESTED.fetch(session, worker_id=worker_id)}
    for seq, _ in found:
        _TAKE.fetch(session, seq=seq)
    return found


def prune(session: Session) -> None:
    """Delete expired requests."""
    session.execute(delete(StackRequest).where(StackRequest.wished_at < now() - ANSWERED_WITHIN))
