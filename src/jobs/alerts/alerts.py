"""Alerts as rows: each begins once and recovers once, however many schedulers look. `alert_signs` and callers find the causes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from ...sql.clock import SET_BACK, now
from ...sql.columns import from_microseconds
from ..core.states import Turn
from . import mutes
from .models import Alert, AlertKind, AlertWatch
from .mutes import Subject

#: how long something must have been well before it counts as recovered: what comes and goes is told of once
WELL_FOR = timedelta(minutes=2)
#: after so long without a look nothing is known of what has lasted
BLIND_AFTER = timedelta(minutes=2)
#: how long alerts that are over are kept
KEEP = timedelta(days=30)
#: alerts that are over, of which a list shows no more
RECENT = 50


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that is wrong now, and for how long it must last before it is worth an alert."""

    kind: AlertKind
    subject: str
    text: str
    lasting: timedelta


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that began or recovered in this transaction: what somebody is to be told of."""

    turn: Turn
    id: int
    kind: AlertKind
    subject: str
    text: str
    began_at: datetime
    at: datetime


def take_turn(session: Session, *, every: timedelta) -> datetime | None:
    """Take the fleet's next look; return when the one before was, or None: another scheduler has just looked.

    One that lies more than SET_BACK ahead was before the clock was set back.
    """
    present = now()
    before = session.execute(select(AlertWatch.looked_at).where(AlertWatch.id == 1)).scalar()
    if before is None:
        before = from_microseconds(0)
        session.execute(insert(AlertWatch).values(id=1, looked_at=before))
    if present - every < before <= present + SET_BACK:
        return None
    mine = update(AlertWatch).where(AlertWatch.id == 1, AlertWatch.looked_at == before).values(looked_at=present)
    return before if session.execute(mine.returning(AlertWatch.id)).first() is not None else None


def note(session: Session, signs: Sequence[Sign], *, looked_before: datetime) -> list[Change]:
    """Write down what is wrong now, and return what has begun and what has recovered by it."""
    present = now()
    blind, muted = present - looked_before > BLIND_AFTER, mutes.in_force(session)
    known = {(alert.kind, alert.subject): alert for alert in open_or_seen(session)}
    changes = []
    for sign in signs:
        alert = known.pop((sign.kind, sign.subject[:255]), None)
        if alert is None:
            alert = Alert(kind=sign.kind, subject=sign.subject[:255], text=sign.text, seen_at=present)
            session.add(alert)
        alert.text, alert.well_at, alert.seen_at = sign.text, None, min(alert.seen_at, present)  # the clock may have been set back
        if alert.began_at is None:
            if blind:
                alert.seen_at = present  # whether it was wrong all the time nobody knows
            # Not while it is muted: should it still be wrong when that ends, it begins then.
            if present - alert.seen_at >= sign.lasting and not mutes.is_muted(alert, muted):
                alert.began_at = present
                session.flush()
                changes.append(_change(Turn.BEGAN, alert, present))
    return [*changes, *_recover(session, known.values(), present)]


def _recover(session: Session, well: Iterable[Alert], present: datetime) -> list[Change]:
    changes = []
    for alert in well:
        if alert.began_at is None:
            session.delete(alert)
            continue
        alert.well_at = min(alert.well_at or present, present)
        if present - alert.well_at >= WELL_FOR:
            alert.recovered_at = present
            changes.append(_change(Turn.RECOVERED, alert, present))
    session.flush()
    return changes


def _change(turn: Turn, alert: Alert, present: datetime) -> Change:
    assert alert.began_at is not None
    return Change(turn, alert.id, alert.kind, alert.subject, alert.text, alert.began_at, present)


def open_or_seen(session: Session) -> list[Alert]:
    """What is wrong, also what has not lasted long enough to be told of."""
    return list(session.execute(select(Alert).where(Alert.recovered_at.is_(None)).order_by(Alert.id)).scalars())


def current(session: Session) -> list[Alert]:
    """The alerts that have begun and not recovered, the oldest first."""
    statement = select(Alert).where(Alert.recovered_at.is_(None), Alert.began_at.is_not(None)).order_by(Alert.began_at, Alert.id)
    return list(session.execute(statement).scalars())


def standing(session: Session, muted: Collection[Subject]) -> list[Alert]:
    """What is on, also what has not begun because it is muted; the oldest first."""
    return [each for each in open_or_seen(session) if each.began_at is not None or mutes.is_muted(each, muted)]


def heard(session: Session) -> list[Alert]:
    """The alerts that are on and that somebody wants to hear of, the oldest first."""
    muted = mutes.in_force(session)
    return [each for each in current(session) if not mutes.is_muted(each, muted)]


def recovered(session: Session, *, limit: int = RECENT) -> list[Alert]:
    """The alerts that are over, the newest first."""
    statement = select(Alert).where(Alert.recovered_at.is_not(None)).order_by(Alert.recovered_at.desc(), Alert.id.desc()).limit(limit)
    return list(session.execute(statement).scalars())


def looked_at(session: Session) -> datetime | None:
    """When a scheduler looked last; None: never."""
    found = session.execute(select(AlertWatch.looked_at).where(AlertWatch.id == 1)).scalar()
    return None if found is None or found == from_microseconds(0) else found


def prune(session: Session) -> None:
    """Delete alerts that have long been over, and mutes that have ended."""
    mutes.prune(session)
    session.execute(delete(Alert).where(Alert.recovered_at < now() - KEEP))
