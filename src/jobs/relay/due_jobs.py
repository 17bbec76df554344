"""Due jobs: rows whose time has come, and queued rows without a confirmation from RabbitMQ; for the relay to publish."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from ...sql.columns import from_microseconds
from ...sql.direct import Direct
from ...sql.statements import Single
from ..core.envelopes import Envelope
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
# Each relay asks this several times a second: one statement, and three probes of an index.
_NEXT = Single(f"""
    SELECT #(due), #(publish), #(expires) FROM (SELECT
        (SELECT min(due_at) FROM jobs WHERE state IN {listed(State.SCHEDULED, State.RETRYING)}) AS due,
        (SELECT min(publish_at) FROM jobs WHERE publish_at IS NOT NULL) AS publish,
        (SELECT min(expires_at) FROM jobs WHERE expires_at IS NOT NULL AND state IN {listed(*EXPIRABLE)}) AS expires
    ) AS earliest
""")
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


def next_instant(session: Session | Direct) -> datetime | None:
    """Return the earliest instant at which a relay has work; None: no job waits for time."""
    [instants] = _NEXT.fetch(session)
    return min((from_microseconds(instant) for instant in instants if instant is not None), default=None)
