"""Job actions: cancel, retry, run now, release, discard, each one compare-and-set; and request a stack."""

from __future__ import annotations

from typing import Any

from sqlalchemy import case, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ..attempts import stacks
from ..core.envelopes import announce, dumps
from ..core.errors import NotAllowed, UnknownJob
from ..core.models import NOT_ENDED, Job
from ..core.release import envelope
from ..core.states import FINAL, HeldFor, State, allowed
from ..finish import ending
from ..submit import stand_ins
from ..workflows import steps


def cancel(session: Session, id: str) -> Job:
    """Cancel a waiting job at once; ask a running one to stop at its next check-point (`cancel_requested`)."""
    state = ending.cancel(session, id)
    job = _find(session, id)
    if state is None and job.state is not State.CANCELLED:
        raise NotAllowed(f"the job is {job.state}: only one that waits or runs can be cancelled")
    return _with_attempts(job)


def retry(session: Session, id: str) -> Job:
    """Queue a dead, cancelled or expired job again, or a retrying one now; its attempts keep counting.

    A workflow continues from a retried step. A step that was cancelled before its turn waits for it again.
    """
    step = steps.lock_step(session, id)
    if step is not None and steps.is_unreleased(session, step):
        return _wait_again(session, id, step)
    stand_ins.refuse_early_start(session, id)
    if step is None:
        return _retry(session, id)
    try:
        with session.begin_nested():
            job = _retry(session, id)
            ending.reopen(session, step)
    except IntegrityError:
        raise NotAllowed("a step after it cannot wait for it again: another job of that step's unique key waits or runs") from None
    return job


def _retry(session: Session, id: str) -> Job:
    return _queue_again(
        session, id, [State.DEAD, State.CANCELLED, State.EXPIRED, State.RETRYING], "only one that is dead, cancelled, expired or retrying can be retried",
        failures=0, crashes=0, finished_at=None, cancel_requested=False, expires_at=None, earlier_attempts=case((Job.state.in_(FINAL), Job.attempt), else_=Job.earlier_attempts),
    )  # fmt: skip


def run_now(session: Session, id: str) -> Job:
    """Queue a scheduled or retrying job now instead of at its due time."""
    step = steps.lock_step(session, id)
    if step is not None and steps.is_unreleased(session, step):
        raise NotAllowed(f"it {_find(session, id).reason}: a step runs when those before it have ended")
    stand_ins.refuse_early_start(session, id)
    return _queue_again(session, id, [State.SCHEDULED, State.RETRYING], "only a scheduled or retrying one can be run now")


def release(session: Session, id: str) -> Job:
    """Queue a held job: an operator has approved it."""
    job = _find(session, id)
    if job.held_for is HeldFor.UNREADABLE:
        raise NotAllowed("this is not a valid message and cannot run: discard it")
    return _queue_again(session, id, [State.HELD], "only a held one can be released", held_for=None)


def stack(session: Session, id: str) -> Job:
    """Have the worker that runs the job write its stack into the job's log."""
    return stacks.ask(session, id)


def discard(session: Session, id: str) -> Job:
    """Cancel a held job permanently; its record stays."""
    if not ending.discard(session, id):
        raise NotAllowed(f"the job is {_find(session, id).state}: only a held one can be discarded")
    return _with_attempts(_find(session, id))


def _wait_again(session: Session, id: str, seq: int) -> Job:
    try:
        with session.begin_nested():
            moved = ending.bring_back(session, seq)
    except IntegrityError:
        raise NotAllowed("another job of its unique key waits or runs") from None
    job = _find(session, id)
    if not moved or job.state.is_final:
        raise NotAllowed(f"the job is {job.state} ({job.reason}): retry the step before it")
    return _with_attempts(job)


def _queue_again(session: Session, id: str, states: list[State], otherwise: str, **values: Any) -> Job:
    assert all(allowed(state, State.QUEUED) for state in states)
    try:
        # A savepoint: the unique-key index may reject the row, and the caller's transaction must survive that.
        with session.begin_nested():
            # publish_at: if this process dies before publishing the message, the relay finds the row at once.
            values |= {"publish_at": now(), "published_at": None, "due_at": None, "waits_for": None, "slot_at": None}
            moved = _move(session, id, states, state=State.QUEUED, reason=None, **values)
    except IntegrityError:
        raise key_taken(session, _find(session, id).unique_key) from None
    if not moved:
        raise NotAllowed(f"the job is {_find(session, id).state}: {otherwise}")
    job = _find(session, id)
    assert job.actor is not None
    created_us = int(job.created_at.timestamp() * 1_000_000)
    announce(
        session,
        [
            envelope(
                job.seq,
                job.id,
                job.attempt,
                job.queue,
                job.actor,
                job.priority,
                dumps(job.args),
                dumps(job.kwargs),
                dumps(job.options),
                created_us,
            )
        ],
    )
    return _with_attempts(job)


def key_taken(session: Session, key: str | None) -> NotAllowed:
    """Return the error that names the job that holds a unique key."""
    other = session.execute(select(Job.id).where(Job.unique_key == key, text(f"jobs.{NOT_ENDED}"))).scalar()
    return NotAllowed(f"another job of its unique key {key!r} waits or runs: {other}")


def _with_attempts(job: Job) -> Job:
    audit.about("job", job.id, actor=job.actor)
    return job


def _move(session: Session, id: str, states: list[State], **values: Any) -> bool:
    statement = update(Job).where(Job.id == id, Job.state.in_(states)).values(**values).execution_options(synchronize_session=False)
    return session.execute(statement.returning(Job.seq)).first() is not None


def _find(session: Session, id: str) -> Job:
    job = session.execute(select(Job).where(Job.id == id).execution_options(populate_existing=True)).scalars().first()
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return job
