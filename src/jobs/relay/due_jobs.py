"""Due jobs: rows whose time has come, and queued rows without a confirmation from RabbitMQ; for the relay to publish.

Each scan has a range of instants. While a transaction is held open, PostgreSQL keeps the index entries of rows that have
moved on, and a scan without a lower bound reads all of them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from ...sql.columns import from_microseconds, to_microseconds
from ...sql.direct import Direct
from ...sql.statements import Single
from ..core.envelopes import Envelope
from ..core.release import take, taking
from ..core.states import State, listed, require
from ..finish import ending
from ..finish.ending import EXPIRABLE

require(State.SCHEDULED, State.QUEUED)
require(State.RETRYING, State.QUEUED)

#: instants before and after all others
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)

_RELEASE = taking(
    f"state IN {listed(State.SCHEDULED, State.RETRYING)} AND due_at >= @(:since) AND due_at <= @(:now) AND (expires_at IS NULL OR expires_at > @(:now))",
    "due_at",
    f"state = '{State.QUEUED}', reason = NULL, waits_for = NULL, published_at = NULL, publish_at = @(:again)",
)


def _earliest(column: str, condition: str) -> str:
    return f"(SELECT min({column}) FROM jobs WHERE {condition} AND {column} >= @(:since) AND {column} <= @(:until))"


# Each relay asks this several times a second: one statement, and three probes of an index.
_NEXT = Single(f"""
    SELECT #(due), #(publish), #(expires) FROM (SELECT
        {_earliest("due_at", f"state IN {listed(State.SCHEDULED, State.RETRYING)}")} AS due,
        {_earliest("publish_at", "publish_at IS NOT NULL")} AS publish,
        {_earliest("expires_at", f"expires_at IS NOT NULL AND state IN {listed(*EXPIRABLE)}")} AS expires
    ) AS earliest
""")
# The state in a CASE: else PostgreSQL may trust its statistics and choose an index of all that was queued lately.
_REPUBLISH = taking(
    f"publish_at >= @(:since) AND publish_at <= @(:now) AND CASE WHEN state = '{State.QUEUED}' THEN true END",
    "publish_at",
    "publish_at = @(:again)",
)


def release_due(session: Session, limit: int = 500, *, since: datetime = FIRST) -> list[Envelope]:
    """Queue the jobs that are due, and return their messages for the caller to publish."""
    return take(session, _RELEASE, limit, since=to_microseconds(since))


def take_unpublished(session: Session, limit: int = 500, *, since: datetime = FIRST) -> list[Envelope]:
    """Take queued jobs not confirmed in time, and return their messages for the caller to publish."""
    return take(session, _REPUBLISH, limit, since=to_microseconds(since))


def expire(session: Session, limit: int = 500, *, since: datetime = FIRST) -> int:
    """End waiting jobs whose expiry has passed, with the reason; return their number."""
    return ending.expire(session, limit, since=since)


def next_instant(session: Session | Direct, *, since: datetime = FIRST, until: datetime = LAST) -> datetime | None:
    """Return the earliest instant of the range at which a relay has work; None: no job waits for one."""
    [instants] = _NEXT.fetch(session, since=to_microseconds(since), until=to_microseconds(until))
    return min((from_microseconds(instant) for instant in instants if instant is not None), default=None)
