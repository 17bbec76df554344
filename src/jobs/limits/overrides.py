"""Overrides: pauses and limits that an operator sets over an actor's declared ones.

Every claim reads this small table, so that a change applies to the whole fleet from the next claim on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ...sql.statements import is_sqlite
from ...sql.upsert import upsert
from ..core.envelopes import announce
from ..core.errors import JobsError
from ..core.models import Job
from ..core.release import release_waiting
from ..core.states import State
from . import rates
from .models import Control

#: scopes of an override, widest first
SCOPES = ("all", "queue", "actor")
#: settings of an override
PAUSED, RATE_LIMIT, CONCURRENCY = "paused", "rate_limit", "concurrency"
LIMITS = (RATE_LIMIT, CONCURRENCY)
#: PostgreSQL's advisory lock on the whole table
_LOCK = 7_236_001


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause: start no jobs; `until` None: until it is resumed."""

    scope: str
    name: str
    until: datetime | None
    reason: str | None
    set_by: str | None = None
    set_at: datetime | None = None

    @property
    def target(self) -> str:
        return target(self.scope, self.name)

    @property
    def waits_for(self) -> str:
        return pause_of(self.scope, self.name)

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self, more: str = "") -> str:
        """Say what is paused and why; `more` is put before the reason, which may end in any words."""
        what = "everything is" if self.scope == "all" else f"{self.scope} {self.name} is"
        return f"{what} paused{more}" + (f": {self.reason}" if self.reason else "")


def pause_of(scope: str, name: str) -> str:
    """Return the `waits_for` of the jobs that a pause defers."""
    return f"pause:{scope}:{name}"[:255]


@dataclass(frozen=True, slots=True)
class Override:
    """An operator's limit; `value` None: unlimited, whatever the code declares."""

    scope: str
    name: str
    setting: str  # rate_limit, concurrency
    value: Any
    set_by: str | None
    set_at: datetime

    @property
    def target(self) -> str:
        return target(self.scope, self.name)


def target(scope: str, name: str) -> str:
    """Return the display form of a scope: all, queue:mail, actor:send_mail."""
    return f"{scope}:{name}" if name else scope


class Controls:
    """All overrides in force, read once per claim."""

    def __init__(self, rows: Sequence[Control]) -> None:
        self._rows = {(row.scope, row.name, row.setting): row for row in rows}

    def pause(self, actor: str, queue: str, present: datetime) -> Pause | None:
        """Return the pause that applies to jobs of this actor and queue, the widest first."""
        for scope, name in (("all", ""), ("queue", queue), ("actor", actor)):
            row = self._rows.get((scope, name, PAUSED))
            if row is not None and _is_standing(row, present):
                return _as_pause(row)
        return None

    def pauses(self, present: datetime) -> list[Pause]:
        """Return every pause in force, the widest first."""
        rows = [row for row in self._rows.values() if row.setting == PAUSED and _is_standing(row, present)]
        return [_as_pause(row) for row in sorted(rows, key=lambda row: (SCOPES.index(row.scope), row.name))]

    def overrides(self) -> list[Override]:
        """Return every limit set by an operator, the widest first."""
        rows = [row for row in self._rows.values() if row.setting != PAUSED]
        rows.sort(key=lambda row: (SCOPES.index(row.scope), row.name, row.setting))
        return [Override(row.scope, row.name, row.setting, row.value, row.set_by, row.set_at) for row in rows]

    def value(self, scope: str, name: str, setting: str) -> Any:
        """Return an operator's setting, or None."""
        row = self._rows.get((scope, name, setting))
        return None if row is None else row.value

    def is_overridden(self, scope: str, name: str, setting: str) -> bool:
        return (scope, name, setting) in self._rows

    def __bool__(self) -> bool:
        return bool(self._rows)

    def equals(self, other: Controls) -> bool:
        """True if both have the same overrides in force."""
        return self._settings() == other._settings()

    def _settings(self) -> dict[tuple[str, str, str], Any]:
        return {key: (row.value, row.until) for key, row in self._rows.items()}


def _is_standing(row: Control, present: datetime) -> bool:
    return row.until is None or row.until > present


def _as_pause(row: Control) -> Pause:
    return Pause(row.scope, row.name, row.until, row.value, row.set_by, row.set_at)


def load(session: Session) -> Controls:
    """Return all overrides."""
    return Controls(list(session.execute(select(Control).execution_options(populate_existing=True)).scalars()))


def hold_still(session: Session) -> Controls:
    """Return all overrides, locked until this transaction ends.

    Call it before deferring jobs: an operator who lifts a pause or a limit then wakes all of them.
    """
    _lock(session, shared=True)
    return load(session)


def pause(
    session: Session, scope: str, name: str = "", *, until: datetime | None = None, reason: str | None = None, by: str | None = None
) -> None:
    """Pause an actor, a queue or everything ("all"): start no more jobs; running ones continue."""
    if until is not None and until <= now():
        raise JobsError("until lies in the past: give a later instant, or none", field="until")
    _put(session, scope, name, PAUSED, reason, until=until, by=by)
    # Jobs that wait for this pause's earlier end must wait for the new one.
    paused = Pause(scope, name, until, reason)
    session.execute(
        update(Job)
        .where(Job.waits_for == paused.waits_for, Job.state == State.SCHEDULED)
        .values(due_at=until, reason=str(paused))
        .execution_options(synchronize_session=False)
    )


def resume(session: Session, scope: str, name: str = "") -> int:
    """End a pause; return how many jobs waited for it."""
    _delete(session, scope, name, PAUSED)
    return wake(session, pause_of(scope, name))


def set_rate_limit(session: Session, scope: str, name: str, limit: str | None, *, by: str | None = None) -> None:
    """Override a rate limit; None lifts it, whatever the code declares. See `follow_code`."""
    if limit is not None:
        try:
            rates.parse(limit)
        except ValueError as error:
            raise JobsError(str(error), field=RATE_LIMIT) from None
    _put(session, scope, name, RATE_LIMIT, limit, by=by)
    wake(session, rates.waits_for(scope, name))  # they ask again, and wait by the new limit


def set_concurrency(session: Session, scope: str, name: str, limit: int | None, *, by: str | None = None) -> None:
    """Override how many jobs may run at once; None lifts the limit."""
    if limit is not None and limit < 1:
        raise JobsError(f"concurrency must be at least 1, not {limit}: to stop the jobs, pause them", field="concurrency")
    _put(session, scope, name, CONCURRENCY, limit, by=by)


def follow_code(session: Session, scope: str, name: str, setting: str) -> None:
    """Remove an override: the declared value applies again."""
    if setting not in LIMITS:
        raise JobsError(f"an override is of {' or '.join(LIMITS)}, not of {setting!r}", field="setting")
    _delete(session, scope, name, setting)
    if setting == RATE_LIMIT:
        wake(session, rates.waits_for(scope, name))


def wake(session: Session, waits_for: str, limit: int | None = None) -> int:
    """Wake the oldest jobs that wait for something now available; return their number.

    With a `limit` they are queued at once; without one there may be very many, and the relay queues them in batches.
    """
    if limit is not None:
        woken = release_waiting(session, waits_for, limit)
        announce(session, woken)
        return len(woken)
    statement = update(Job).where(Job.waits_for == waits_for, Job.state == State.SCHEDULED).values(due_at=now(), waits_for=None)
    return len(session.execute(statement.returning(Job.seq).execution_options(synchronize_session=False)).all())


def _put(session: Session, scope: str, name: str, setting: str, value: Any, *, until: datetime | None = None, by: str | None) -> None:
    _check(scope, name)
    _lock(session)
    insert = upsert(session, Control)
    row = {"scope": scope, "name": name, "setting": setting, "value": value, "until": until, "set_by": by, "set_at": now()}
    changed = {field: insert.excluded[field] for field in ("value", "until", "set_by", "set_at")}
    session.execute(insert.on_conflict_do_update(index_elements=["scope", "name", "setting"], set_=changed), [row])
    audit.about("target", target(scope, name), **{setting: value if value is not None else "none" if setting in LIMITS else None})


def _delete(session: Session, scope: str, name: str, setting: str) -> None:
    _check(scope, name)
    _lock(session)
    session.execute(delete(Control).where(Control.scope == scope, Control.name == name, Control.setting == setting))
    audit.about("target", target(scope, name), **({setting: "code"} if setting in LIMITS else {}))


def _lock(session: Session, *, shared: bool = False) -> None:
    """Lock overrides against changes (shared) or against readers; SQLite has a single writer anyway."""
    if not is_sqlite(session):
        session.execute(text(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}({_LOCK})"))


def _check(scope: str, name: str) -> None:
    if scope not in SCOPES:
        raise JobsError(f"scope must be one of {', '.join(SCOPES)}, not {scope!r}", field="scope")
    if bool(name) == (scope == "all"):
        raise JobsError("name the actor or queue" if scope != "all" else "'all' takes no name", field="name")
