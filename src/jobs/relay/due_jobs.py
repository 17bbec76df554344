"""Due jobs: rows whose time has come, and queued rows without a confirmation from RabbitMQ; for the relay to publish."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..core.envelopes import Envelope
from ..core.models import Job
from ..core.release import take, taking
from ..core.states import State, listed, require
from ..finish import ending
from ..finish.ending import EXPIRABLE

require(State.SCHEDULED, State.QUEUED)
require(State.RETRYING, State.QUEUED)

_RELEASE = taking(
    f"state IN {listed(State.SCHEDULED, State.RETRYING)} AND due_at <= @(:now) AND (expires_at IS NULL OR expires_at > @(:now))",
    "due_at",
    f"state = '{State.QUEUED}', reason = NULL, waits_for = NULL, published_at = NULL, publish_at = @(:again)",
)
_REPUBLISH = taking(f"publish_at <= @(:now) AND state = '{State.QUEUED}'", "publish_at", "publish_at = @(:again)")


def release_due(session: Session, limit: int = 500) -> list[Envelope]:
    """Queue the jobs that are due, and return their messages for the caller to publish."""
    return take(session, _RELEASE, limit)


def take_unpublished(session: Session, limit: int = 500) -> list[Envelope]:
    """Take queued jobs not confirmed in time, and return their messages for the caller to publish."""
    return take(session, _REPUBLISH, limit)


def expire(session: Session, limit: int = 500) -> int:
    """End waiting jobs whose expiry has passed, with the reason; return their number."""
    return ending.expire(session, limit)


def next_instant(session: Session) -> datetime | None:
    """Return the earliest instant at which a relay has work; None: no job waits for time."""
    due = session.execute(select(func.min(Job.due_at)).where(Job.state.in_([State.SCHEDULED, State.RETRYING]))).scalar()
    publish = session.execute(select(func.min(Job.publish_at)).where(Job.publish_at.is_not(None))).scalar()
    expiring = session.execute(select(func.min(Job.expires_at)).where(Job.state.in_(EXPIRABLE), Job.expires_at.is_not(None))).scalar()
    instants = [instant for instant in (due, publish, expiring) if instant is not None]
    return min(instants, default=None)
