"""What the relay needs: rows whose time has come, and queued rows that RabbitMQ has not confirmed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from src.database import now, to_microseconds
from src.jobs import ends, workflow_steps
from src.jobs.envelopes import Envelope, encode
from src.jobs.models import Job
from src.jobs.statements import is_sqlite, plain, run
from src.jobs.states import Outcome, State, require

#: seconds one relay has to get a row confirmed before the next one tries: what a job waits longer whose publisher was killed
CONFIRM_WITHIN = 5.0

require(State.SCHEDULED, State.QUEUED)
require(State.RETRYING, State.QUEUED)
require(State.SCHEDULED, State.EXPIRED)
require(State.RETRYING, State.EXPIRED)
require(State.QUEUED, State.EXPIRED)

# A job that lost its worker has waited once: behind everything that was submitted meanwhile it would wait again.
_COLUMNS = (
    "jobs.seq, jobs.id, jobs.attempt, jobs.queue, jobs.actor, "
    "CASE WHEN jobs.attempt > 0 AND EXISTS (SELECT 1 FROM attempts "
    f"WHERE attempts.job_seq = jobs.seq AND attempts.number = jobs.attempt AND attempts.outcome = '{Outcome.LOST}') THEN 9 ELSE jobs.priority END, "
    "jobs.args, jobs.kwargs, jobs.options, #(jobs.created_at)"
)


def _taking(condition: str, order: str, changes: str) -> dict[str, Any]:
    # As a plain IN (…), PostgreSQL may run the choice again for each row that it tries, and so take more than the limit.
    chosen = f"SELECT seq FROM jobs WHERE {condition} ORDER BY {order} LIMIT :limit"
    locked = f"WITH taken AS MATERIALIZED ({chosen} FOR UPDATE SKIP LOCKED)"
    return {
        "sqlite": plain(f"UPDATE jobs SET {changes} WHERE seq IN ({chosen}) RETURNING {_COLUMNS}")["sqlite"],
        "postgresql": plain(f"{locked} UPDATE jobs SET {changes} FROM taken WHERE jobs.seq = taken.seq RETURNING {_COLUMNS}")["postgresql"],
    }


_RELEASE = _taking(
    "state IN ('scheduled', 'retrying') AND due_at <= @(:now) AND (expires_at IS NULL OR expires_at > @(:now))",
    "due_at",
    "state = 'queued', reason = NULL, waits_for = NULL, published_at = NULL, publish_at = @(:again)",
)
_RELEASE_WAITING = _taking(
    "waits_for = :waits_for AND state = 'scheduled' AND (expires_at IS NULL OR expires_at > @(:now))",
    "seq",
    "state = 'queued', reason = NULL, waits_for = NULL, due_at = NULL, published_at = NULL, publish_at = @(:again)",
)
_REPUBLISH = _taking("publish_at <= @(:now) AND state = 'queued'", "publish_at", "publish_at = @(:again)")


def release_due(session: Session, limit: int = 500) -> list[Envelope]:
    """Queue the jobs whose instant has come, and return their messages to be published by the caller."""
    return _take(session, _RELEASE, limit)


def release_waiting(session: Session, waits_for: str, limit: int) -> list[Envelope]:
    """Queue the oldest jobs that wait for this thing, and return their messages to be announced by the caller."""
    return _take(session, _RELEASE_WAITING, limit, waits_for=waits_for)


def take_unpublished(session: Session, limit: int = 500) -> list[Envelope]:
    """Take queued jobs that nobody got confirmed in time, and return their messages to be published by the caller."""
    return _take(session, _REPUBLISH, limit)


def expire(session: Session, limit: int = 500) -> int:
    """End waiting jobs whose expiry has passed, with the reason."""
    present = now()
    overdue = select(Job.seq).where(Job.state.in_(_EXPIRABLE), Job.expires_at.is_not(None), Job.expires_at <= present).limit(limit)
    seqs = list(session.execute(overdue).scalars())
    if seqs:
        workflow_steps.lock_of(session, seqs)
        if not is_sqlite(session):
            seqs = list(session.execute(overdue.where(Job.seq.in_(seqs)).with_for_update(skip_locked=True)).scalars())
        session.execute(
            update(Job)
            .where(Job.seq.in_(seqs), Job.state.in_(_EXPIRABLE))
            .values(state=State.EXPIRED, reason="it had not started when it expired", finished_at=present, publish_at=None)
        )
        workflow_steps.note_final(session, seqs)
        ends.note(session, seqs)
    return len(seqs)


_EXPIRABLE = [State.SCHEDULED, State.QUEUED, State.RETRYING]


def next_instant(session: Session) -> datetime | None:
    """The earliest instant at which a relay has something to do; None: nothing is waiting for time."""
    due = session.execute(select(func.min(Job.due_at)).where(Job.state.in_([State.SCHEDULED, State.RETRYING]))).scalar()
    publish = session.execute(select(func.min(Job.publish_at)).where(Job.publish_at.is_not(None))).scalar()
    expiring = session.execute(select(func.min(Job.expires_at)).where(Job.state.in_(_EXPIRABLE), Job.expires_at.is_not(None))).scalar()
    instants = [instant for instant in (due, publish, expiring) if instant is not None]
    return min(instants, default=None)


def _take(session: Session, statements: dict[str, Any], limit: int, **parameters: Any) -> list[Envelope]:
    present = now()
    again = to_microseconds(present + timedelta(seconds=CONFIRM_WITHIN))
    rows = run(session, statements, now=to_microseconds(present), again=again, limit=limit, **parameters)
    return sorted((envelope(*row) for row in rows), key=lambda e: e.seq)


def envelope(
    seq: int, id: str, attempt: int, queue: str, actor: str, priority: int, args: str, kwargs: str, options: str, created_us: int
) -> Envelope:
    """The message for a queued row's next attempt."""
    return encode(
        seq=seq, id=id, attempt=attempt + 1, queue=queue, actor=actor, priority=priority, args=args, kwargs=kwargs, options=options,
        created_at_ms=created_us // 1000,
    )  # fmt: skip
