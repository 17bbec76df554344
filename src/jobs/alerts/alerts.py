"""Alerts as rows: each begins once and recovers once, however many schedulers check. The causes come from rules.py and callers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from ...sql.clock import SET_BACK, now
from ...sql.columns import from_microseconds
from ..core.guards import guarded
from ..core.states import Turn
from ..core.values import text_of
from . import mutes
from .models import Alert, AlertKind, AlertWatch
from .mutes import Subject

#: how long a problem must be absent to count as recovered: a flapping one notifies only once
WELL_FOR = timedelta(minutes=2)
#: without a check for so long, the duration of a problem is unknown
BLIND_AFTER = timedelta(minutes=2)
#: how long recovered alerts are kept
KEEP = timedelta(days=30)
#: characters of the error of a rule
LONGEST = 300
#: recovered alerts shown in a list
RECENT = 50


@dataclass(frozen=True, slots=True)
class Sign:
    """A present problem, and how long it must last to become an alert."""

    kind: AlertKind
    subject: str
    text: str
    lasting: timedelta


@dataclass(frozen=True, slots=True)
class Rule:
    """Finds the present problems of some kinds."""

    kinds: frozenset[AlertKind]
    signs: Callable[[Session], Sequence[Sign]]


@dataclass(slots=True)
class Signs:
    """Problems that the rules have found; those of the kinds of a failed rule are unknown."""

    present: list[Sign] = field(default_factory=list)
    unknown: set[AlertKind] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that began or recovered in this transaction and is to be notified."""

    turn: Turn
    id: int
    kind: AlertKind
    subject: str
    text: str
    began_at: datetime
    at: datetime


def evaluate(session: Session, rules: Iterable[Rule]) -> Signs:
    """Evaluate each rule; one that fails is a problem itself, and keeps no other from being evaluated."""
    found = Signs()
    for rule in rules:
        names = ", ".join(sorted(rule.kinds))
        with guarded("alert_rule_failed", rule=names):
            try:
                found.present += rule.signs(session)
            except Exception as error:
                found.unknown |= rule.kinds
                sentence = f"The rule for {names} cannot be evaluated: {type(error).__name__}: {text_of(error, LONGEST)}"
                found.present.append(Sign(AlertKind.WATCH, names, sentence, timedelta(0)))
                raise
    return found


def take_turn(session: Session, *, every: timedelta) -> datetime | None:
    """Take the fleet's turn to check; return the time of the previous check, or None if another scheduler has just checked.

    A previous check more than SET_BACK ahead dates from before the clock was set back.
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


def note(session: Session, signs: Signs, *, looked_before: datetime) -> list[Change]:
    """Record the present problems, and return the alerts that began or recovered. Alerts of unknown kinds stay as they are."""
    present = now()
    blind, muted = present - looked_before > BLIND_AFTER, mutes.in_force(session)
    known = {(alert.kind, alert.subject): alert for alert in open_or_seen(session)}
    changes = []
    for sign in signs.present:
        alert = known.pop((sign.kind, sign.subject[:255]), None)
        if alert is None:
            alert = Alert(kind=sign.kind, subject=sign.subject[:255], text=sign.text, seen_at=present)
            session.add(alert)
        alert.text, alert.well_at, alert.seen_at = sign.text, None, min(alert.seen_at, present)  # the clock may have been set back
        if alert.began_at is None:
            if blind:
                alert.seen_at = present  # it is unknown whether the problem lasted all the time
            # Not while it is muted: if it is still present when the mute ends, it begins then.
            if present - alert.seen_at >= sign.lasting and not mutes.is_muted(alert, muted):
                alert.began_at = present
                session.flush()
                changes.append(_change(Turn.BEGAN, alert, present))
    return [*changes, *_recover(session, [each for each in known.values() if each.kind not in signs.unknown], present)]


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
    """Return all present problems, including those too recent for an alert."""
    return list(session.execute(select(Alert).where(Alert.recovered_at.is_(None)).order_by(Alert.id)).scalars())


def current(session: Session) -> list[Alert]:
    """Return the alerts that have begun and not recovered, oldest first."""
    statement = select(Alert).where(Alert.recovered_at.is_(None), Alert.began_at.is_not(None)).order_by(Alert.began_at, Alert.id)
    return list(session.execute(statement).scalars())


def standing(session: Session, muted: Collection[Subject]) -> list[Alert]:
    """Return the active alerts, including those that have not begun because they are muted; oldest first."""
    return [each for each in open_or_seen(session) if each.began_at is not None or mutes.is_muted(each, muted)]


def unmuted(session: Session) -> list[Alert]:
    """Return the active alerts that are not muted, oldest first."""
    muted = mutes.in_force(session)
    return [each for each in current(session) if not mutes.is_muted(each, muted)]


def recovered(session: Session, *, limit: int = RECENT) -> list[Alert]:
    """Return the recovered alerts, newest first."""
    statement = select(Alert).where(Alert.recovered_at.is_not(None)).order_by(Alert.recovered_at.desc(), Alert.id.desc()).limit(limit)
    return list(session.execute(statement).scalars())


def looked_at(session: Session) -> datetime | None:
    """Return the time of the last check; None: never."""
    found = session.execute(select(AlertWatch.looked_at).where(AlertWatch.id == 1)).scalar()
    return None if found is None or found == from_microseconds(0) else found


def prune(session: Session) -> None:
    """Delete alerts that recovered long ago, and expired mutes."""
    mutes.prune(session)
    session.execute(delete(Alert).where(Alert.recovered_at < now() - KEEP))
