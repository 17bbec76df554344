"""Muted alerts: silenced by kind and subject until a given time, so that a flapping alert stays muted.

A muted alert does not begin; one that has begun already is told of once more, when it has recovered. What is still wrong when the
mute ends begins then.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ...sql.statements import is_sqlite
from ..core.errors import JobsError
from .models import Alert, AlertKind, AlertMute

#: the longest mute: who wants one for ever wants another threshold
LONGEST = timedelta(days=90)
_LARGEST_ID = 2**63 - 1

Subject = tuple[AlertKind, str]


class UnknownAlert(JobsError):
    """No alert has this id."""


def in_force(session: Session) -> dict[Subject, AlertMute]:
    """What is muted now: kind and subject -> its mute."""
    found = session.execute(select(AlertMute).where(AlertMute.until > now())).scalars()
    return {(each.kind, each.subject): each for each in found}


def is_muted(alert: Alert, muted: Collection[Subject]) -> bool:
    """Does nobody want to hear of it?"""
    return (alert.kind, alert.subject) in muted


def mute(session: Session, id: int, *, until: datetime, by: str) -> Alert:
    """Say nothing of what this alert is about until then, in the place of an earlier mute. Raises UnknownAlert and JobsError."""
    alert, present = _find(session, id), now()
    if not present < until <= present + LONGEST:
        raise JobsError(f"A mute ends in the future, and in {LONGEST.days} days at the latest.", field="until")
    insert = (sqlite_insert if is_sqlite(session) else postgresql_insert)(AlertMute)
    values = {"until": until, "muted_by": by, "muted_at": present}
    statement = insert.values(kind=alert.kind, subject=alert.subject, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["kind", "subject"], set_=values))
    audit.about("alert", str(id), sign=alert.kind.value, of=alert.subject, until=until.isoformat())
    return alert


def unmute(session: Session, id: int) -> Alert:
    """Hear of it again; what is still wrong begins at the next look. Raises UnknownAlert."""
    alert = _find(session, id)
    session.execute(delete(AlertMute).where(AlertMute.kind == alert.kind, AlertMute.subject == alert.subject))
    audit.about("alert", str(id), sign=alert.kind.value, of=alert.subject)
    return alert


def prune(session: Session) -> None:
    """Delete mutes that are over."""
    session.execute(delete(AlertMute).where(AlertMute.until <= now()))


def _find(session: Session, id: int) -> Alert:
    alert = session.get(Alert, id) if 0 <= id <= _LARGEST_ID else None
    if alert is None:
        raise UnknownAlert(f"There is no alert {id}. Those that are over are kept for 30 days.", field="id")
    return alert
