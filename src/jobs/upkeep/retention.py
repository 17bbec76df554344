"""Retention: delete expired final jobs with their attempts and logs, a few at a time."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import and_, delete, or_, select
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

#: jobs deleted per transaction: few enough not to block others
BATCH = 500


def prune(session: Session, *, batch: int = BATCH) -> int:
    """Delete up to `batch` expired jobs; return their number. The caller commits and repeats until it is 0.

    The steps of a workflow are deleted together, when the last of them has expired.
    """
    deleted = 0
    for state, keep in _periods().items():
        over = (
            select(Job.seq)
            .where(Job.state == state, Job.finished_at.is_not(None), Job.finished_at < now() - keep, Job.workflow_seq.is_(None))
            .where(or_(Job.keep_until.is_(None), Job.keep_until < now()))
            .order_by(Job.finished_at)
            .limit(batch - deleted)
        )
        if not is_sqlite(session):
            over = over.with_for_update(skip_locked=True)
        deleted += _delete(session, list(session.execute(over).scalars()))
        if deleted >= batch:
            return deleted
    return deleted + _prune_workflows(session, batch - deleted)


def _prune_workflows(session: Session, batch: int) -> int:
    """Delete steps of workflows that need none of them any longer: a retried step needs the results of earlier ones."""
    kept = [and_(Job.state == state, Job.finished_at >= now() - keep) for state, keep in _periods().items()]
    needed = select(Job.seq).where(Job.workflow_seq == StoredWorkflow.seq, or_(Job.state.not_in(FINAL), Job.keep_until >= now(), *kept))
    over = select(StoredWorkflow.seq).where(StoredWorkflow.created_at < now() - min(_periods().values()), ~needed.exists())
    over = over.order_by(StoredWorkflow.seq).limit(batch)
    if not is_sqlite(session):
        over = over.with_for_update(skip_locked=True)
    workflows = list(session.execute(over).scalars())
    seqs = list(session.execute(select(Job.seq).where(Job.workflow_seq.in_(workflows)).order_by(Job.seq).limit(batch)).scalars())
    session.execute(delete(StoredEdge).where(StoredEdge.after_seq.in_(seqs)))
    session.execute(delete(StoredStep).where(StoredStep.job_seq.in_(seqs)))
    deleted = _delete(session, seqs)
    left = select(Job.seq).where(Job.workflow_seq == StoredWorkflow.seq)
    session.execute(delete(StoredWorkflow).where(StoredWorkflow.seq.in_(workflows), ~left.exists()))
    return deleted


def _delete(session: Session, seqs: list[int]) -> int:
    files = select(Job.result_file).where(Job.seq.in_(seqs), Job.result_file.is_not(None))
    result_files.delete_on_commit(session, [name for name in session.execute(files).scalars() if name])
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
