"""Retention: delete expired final jobs with their attempts and logs, a few at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile

from sqlalchemy import ColumnElement, Row, and_, case, delete, false, or_, select
from sqlalchemy.orm import Session

from ...settings import get_settings
from ...sql.clock import now
from ...sql.statements import is_sqlite
from ..core.models import Attempt, Job, LogLine, UniquePeriod
from ..core.states import FINAL, State
from ..core.workflow_models import StoredEdge, StoredStep, StoredWorkflow
from ..files import result_files
from ..finish import result_waiters
from ..limits.models import Control, LimiterValue, RateLimit
from ..search import texts

#: jobs looked at, and so at most deleted, per transaction: few enough not to block others
BATCH = 200
#: seconds after which a sweep that is through begins again: jobs are kept for different times
AGAIN_S = 6 * 3_600.0


@dataclass(slots=True)
class Sweep:
    """Progress of retention through the jobs, in the order of their submission.

    It never reads again what it has deleted: while a transaction is held open, PostgreSQL keeps the entries of deleted
    rows in its indexes.
    """

    after: int = 0
    is_through: bool = False
    begun: float = field(default_factory=time.monotonic)

    def resume(self) -> None:
        """Go on with jobs that have become old enough meanwhile, or begin again."""
        self.is_through = False
        if time.monotonic() - self.begun > AGAIN_S:
            self.after, self.begun = 0, time.monotonic()


def prune(session: Session, *, batch: int = BATCH, sweep: Sweep | None = None) -> int:
    """Delete jobs past their retention, up to `batch`; return their number. The caller commits and repeats until it is 0.

    With a sweep, only the next `batch` jobs are looked at; repeat until it is through. The steps of a workflow are
    deleted together, when the last of them has expired.
    """
    if sweep is not None:
        return _step(session, sweep, batch)
    sweep, deleted = Sweep(), 0
    while not sweep.is_through and not deleted:
        deleted = _step(session, sweep, batch)
    return deleted


def _step(session: Session, sweep: Sweep, batch: int) -> int:
    oldest = now() - min(_periods().values())
    following = select(Job.seq, Job.created_at).where(Job.seq > sweep.after).order_by(Job.seq).limit(batch)
    old = list(takewhile(lambda job: job.created_at < oldest, session.execute(following).all()))
    deleted = 0
    if old:
        over = select(Job.seq, Job.result_file).where(Job.seq > sweep.after, Job.seq <= old[-1].seq, _is_over()).order_by(Job.seq)
        if not is_sqlite(session):
            over = over.with_for_update(skip_locked=True)
        deleted = _delete(session, session.execute(over).all())
        sweep.after = old[-1].seq
    sweep.is_through = len(old) < batch
    return deleted + (_prune_workflows(session, batch - deleted) if sweep.is_through else 0)


def _is_over() -> ColumnElement[bool]:
    """Condition: the job is kept no longer. A CASE, which no store takes for a condition on another index than that of `seq`."""
    ended = case({state: Job.finished_at < now() - keep for state, keep in _periods().items()}, value=Job.state, else_=false())
    return and_(ended, Job.workflow_seq.is_(None), or_(Job.keep_until.is_(None), Job.keep_until < now()))


def _prune_workflows(session: Session, batch: int) -> int:
    """Delete steps of workflows that need none of them any longer: a retried step needs the results of earlier ones."""
    kept = [and_(Job.state == state, Job.finished_at >= now() - keep) for state, keep in _periods().items()]
    needed = select(Job.seq).where(Job.workflow_seq == StoredWorkflow.seq, or_(Job.state.not_in(FINAL), Job.keep_until >= now(), *kept))
    over = select(StoredWorkflow.seq).where(StoredWorkflow.created_at < now() - min(_periods().values()), ~needed.exists())
    over = over.order_by(StoredWorkflow.seq).limit(batch)
    if not is_sqlite(session):
        over = over.with_for_update(skip_locked=True)
    workflows = list(session.execute(over).scalars())
    steps = session.execute(select(Job.seq, Job.result_file).where(Job.workflow_seq.in_(workflows)).order_by(Job.seq).limit(batch)).all()
    seqs = [step.seq for step in steps]
    session.execute(delete(StoredEdge).where(StoredEdge.after_seq.in_(seqs)))
    session.execute(delete(StoredStep).where(StoredStep.job_seq.in_(seqs)))
    deleted = _delete(session, steps)
    left = select(Job.seq).where(Job.workflow_seq == StoredWorkflow.seq)
    session.execute(delete(StoredWorkflow).where(StoredWorkflow.seq.in_(workflows), ~left.exists()))
    return deleted


def _delete(session: Session, jobs: Sequence[Row[int, str | None]]) -> int:
    """Delete these jobs, each with its seq and its result file, and what belongs to them; return their number."""
    seqs = [job.seq for job in jobs]
    result_files.delete_on_commit(session, [job.result_file for job in jobs if job.result_file])
    for table in (LogLine, Attempt):
        session.execute(delete(table).where(table.job_seq.in_(seqs)))
    texts.forget(session, seqs)
    session.execute(delete(Job).where(Job.seq.in_(seqs)))
    return len(seqs)


def tidy(session: Session) -> None:
    """Delete expired keys and pauses, and waiters for jobs that have ended."""
    result_waiters.tidy(session)
    session.execute(delete(UniquePeriod).where(UniquePeriod.until < now()))
    session.execute(delete(Control).where(Control.until < now()))  # expired pauses
    session.execute(delete(LimiterValue).where(LimiterValue.expires_at < now()))
    longest_us = 86_400_000_000  # a daily rate limit still counts its last slot
    session.execute(delete(RateLimit).where(RateLimit.next_us < int(now().timestamp() * 1_000_000) - longest_us))


def _periods() -> dict[State, timedelta]:
    settings = get_settings()
    return {
        State.SUCCEEDED: timedelta(days=settings.keep_succeeded),
        State.CANCELLED: timedelta(days=settings.keep_cancelled),
        State.EXPIRED: timedelta(days=settings.keep_cancelled),
        State.DEAD: timedelta(days=settings.keep_dead),
    }
