"""Muted alerts: silenced by kind and subject until a given time, so that a flapping alert stays muted.

A muted alert does not begin; one that had begun already notifies only of its recovery. If it is still present when the
mute ends, it begins then.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ...sql.upsert import upsert
from ..core.errors import JobsError
from .models import Alert, AlertKind, AlertMute

#: the longest mute: to silence an alert for ever, change its threshold
LONGEST = timedelta(days=90)
_LARGEST_ID = 2**63 - 1

Subject = tuple[AlertKind, str]


class UnknownAlert(JobsError):
    """No alert has this id."""


def in_force(session: Session) -> dict[Subject, AlertMute]:
    """Return the mutes in force: kind and subject -> mute."""
    found = session.execute(select(AlertMute).where(AlertMute.until > now())).scalars()
    return {(each.kind, each.subject): each for each in found}


def is_muted(alert: Alert, muted: Collection[Subject]) -> bool:
    """True if the alert is muted."""
    return (alert.kind, alert.subject) in muted


def mute(session: Session, id: int, *, until: datetime, by: str) -> Alert:
    """Mute this alert's kind and subject until then, replacing an earlier mute. Raises UnknownAlert and JobsError."""
    alert, present = _find(session, id), now()
    if not present < until <= present + LONGEST:
        raise JobsError(f"A mute ends in the future, and in {LONGEST.days} days at the latest.", field="until")
    values = {"until": until, "muted_by": by, "muted_at": present}
    statement = upsert(session, AlertMute).values(kind=alert.kind, subject=alert.subject, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["kind", "subject"], set_=values))
    audit.about("alert", str(id), sign=alert.kind.value, of=alert.subject, until=until.isoformat())
    return alert


def unmute(session: Session, id: int) -> Alert:
    """Remove the mute; a problem still present begins at the next check. Raises UnknownAlert."""
    alert = _find(session, id)
    session.execute(delete(AlertMute).where(AlertMute.kind == alert.kind, AlertMute.subject == alert.subject))
    audit.about("alert", str(id), sign=alert.kind.value, of=alert.subject)
    return alert


def prune(session: Session) -> None:
    """Delete expired mutes."""
    session.execute(delete(AlertMute).where(AlertMute.until <= now()))


def _find(session: Session, id: int) -> Alert:
    alert = session.get(Alert, id) if 0 <= id <= _LARGEST_ID else None
    if alert is None:
        raise UnknownAlert(f"There is no alert {id}. Recovered alerts are kept for 30 days.", field="id")
    return alert
