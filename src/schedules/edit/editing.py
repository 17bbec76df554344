"""Changes of schedules by users: create, change, pause, resume, delete; each change records its author."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete as deleting
from sqlalchemy import select
from sqlalchemy.orm import Session

from ... import audit
from ...jobs.core.errors import InvalidArguments, NotAllowed
from ...sql.clock import now
from ..rows import deadlines, overlaps
from ..rows.drafts import TIME_FIELDS, Draft
from ..rows.errors import UnknownSchedule
from ..rows.models import Schedule, ScheduleChange, Tick

#: fields that only code decides: another actor is another schedule
_CODE_ONLY = ("name", "actor")


def create(session: Session, draft: Draft, *, by: str) -> Schedule:
    """Create a schedule, ticking from now on. Raises InvalidArguments naming the invalid fields."""
    draft.check()
    check_ahead(draft)
    _check_name(session, draft.name, None)
    schedule = insert(session, draft, by=by)
    note(session, schedule, by, "created", {})
    return schedule


def change(session: Session, id: int, draft: Draft, *, by: str, version: int | None = None) -> Schedule:
    """Change a schedule. A new time rule starts now: past ticks are neither repeated nor missed.

    `version`: the version that the user has seen; raises NotAllowed if it has changed since.
    """
    schedule = locked(session, id)
    if version is not None and schedule.version != version:
        raise NotAllowed("the schedule has meanwhile been changed by another user: reload it, then change it")
    if schedule.declared and any(getattr(draft, name) != getattr(schedule, name) for name in _CODE_ONLY):
        raise InvalidArguments(
            "name: The code decides the name and the actor of this schedule.", errors={"name": "The code decides the name and the actor."}
        )
    draft.check()
    _check_name(session, draft.name, id)
    if not set(TIME_FIELDS).isdisjoint(schedule.draft.differing(draft)):
        check_ahead(draft)
    return _save(session, schedule, draft, by=by)


def follow_code(session: Session, id: int, *, by: str) -> Schedule:
    """Discard the overrides of a declared schedule, so that it follows its code again."""
    schedule = locked(session, id)
    if schedule.code_draft is None:
        raise NotAllowed("the schedule is not declared in code")
    return _save(session, schedule, replace(schedule.code_draft, name=schedule.name), by=by)


def pause(session: Session, id: int, *, by: str, reason: str | None = None) -> Schedule:
    """Pause a schedule until it is resumed; jobs already submitted continue."""
    schedule = locked(session, id)
    if schedule.paused_at is None:
        stop(schedule, by=by, reason=reason)
        note(session, schedule, by, "paused", {"reason": [None, reason]} if reason else {})
    session.flush()
    return schedule


def resume(session: Session, id: int, *, by: str) -> Schedule:
    """Resume a schedule from its next tick; ticks during the pause are neither missed nor caught up."""
    schedule = locked(session, id)
    if schedule.gone:
        raise NotAllowed("the schedule is no longer declared in code: declare it there again, or delete it")
    if schedule.paused_at is not None:
        schedule.paused_at, schedule.paused_by, schedule.pause_reason, schedule.failures = None, None, None, 0
        begin_anew(schedule)
        note(session, schedule, by, "resumed", {})
    session.flush()
    return schedule


def delete(session: Session, id: int) -> None:
    """Delete a schedule with its history; its jobs stay."""
    schedule = locked(session, id)
    if schedule.declared and not schedule.gone:
        raise NotAllowed("the schedule is declared in code and would come back: remove it there, or pause it")
    overlaps.disband(session, id)
    audit.about("schedule", id, name=schedule.name)
    for table in (Tick, ScheduleChange):
        session.execute(deleting(table).where(table.schedule_id == id))
    session.delete(schedule)
    session.flush()


def check_ahead(draft: Draft) -> None:
    """Raise InvalidArguments if a valid draft has no tick to come."""
    present = now()
    if draft.rule.next(present) is not None:
        return
    name = "ends_at" if draft.at is None else "at"
    last: datetime | None = getattr(draft, name)
    if last is not None and last <= present:
        text = "It lies in the past: choose a later instant."
    elif draft.at is not None:
        text = "It lies before the start or after the end: choose an instant between them."
    else:
        text = "No tick lies before this end: choose a later one, or another rule."
    raise InvalidArguments(f"{name}: {text}", errors={name: text})


def locked(session: Session, id: int) -> Schedule:
    """Lock and return the schedule for this transaction; raises UnknownSchedule."""
    statement = select(Schedule).where(Schedule.id == id).with_for_update().execution_options(populate_existing=True)
    schedule = session.execute(statement).scalars().first()
    if schedule is None:
        raise UnknownSchedule(f"There is no schedule {id}.", field="id")
    return schedule


def insert(session: Session, draft: Draft, *, by: str, code: dict[str, Any] | None = None, since: datetime | None = None) -> Schedule:
    """Insert the row; it first ticks later than `since` (default: now)."""
    schedule = Schedule(created_at=now(), created_by=by, declared=code is not None, code=code, gone=False, failures=0, version=1)
    for name in Draft.__dataclass_fields__:
        setattr(schedule, name, getattr(draft, name))
    begin_anew(schedule, since=since)
    session.add(schedule)
    session.flush()
    return schedule


def apply(schedule: Schedule, draft: Draft) -> None:
    """Apply the draft to the row; a changed time rule starts again from now."""
    differing = schedule.draft.differing(draft)
    for name in differing:
        setattr(schedule, name, getattr(draft, name))
    schedule.version += 1
    schedule.broken = None  # checked again at the next tick, and by the code that validated the draft
    if schedule.paused_at is None and not schedule.gone:
        if any(name in TIME_FIELDS for name in differing):
            begin_anew(schedule)
        else:
            if "name" in differing and schedule.jitter_s and schedule.tick_at is not None:
                schedule.due_at = schedule.draft.rule.due(schedule.tick_at)  # the jitter depends on the name
            if any(name.startswith("expect_") for name in differing):
                deadlines.begin_anew(schedule)


def begin_anew(schedule: Schedule, *, since: datetime | None = None) -> None:
    """Tick from now on: earlier ticks are forgotten."""
    rule = schedule.draft.rule
    schedule.tick_at = rule.next(since or now())
    schedule.due_at = None if schedule.tick_at is None else rule.due(schedule.tick_at)
    schedule.alerted_at = None
    deadlines.begin_anew(schedule)


def stop(schedule: Schedule, *, by: str | None, reason: str | None) -> None:
    """Stop the schedule; `by` is the user, or None if it paused itself."""
    schedule.paused_at, schedule.paused_by, schedule.pause_reason = now(), by, reason
    schedule.tick_at = schedule.due_at = None
    if by is not None:
        schedule.alert_at = None  # a stopped schedule is known not to succeed


def note(session: Session, schedule: Schedule, by: str, what: str, changes: dict[str, Any]) -> None:
    """Record a change and its author."""
    session.add(ScheduleChange(schedule_id=schedule.id, changed_at=now(), changed_by=by, what=what, changes=changes))
    audit.about("schedule", schedule.id, name=schedule.name, changed=sorted(changes) or None)


def _changes(before: Draft, after: Draft) -> dict[str, Any]:
    """Return the changed fields, without the values of arguments: they may be secret."""
    old, new = before.document(), after.document()
    return {name: [None, None] if name in ("args", "kwargs") else [old[name], new[name]] for name in before.differing(after)}


def _save(session: Session, schedule: Schedule, draft: Draft, *, by: str) -> Schedule:
    before = schedule.draft
    if before.differing(draft):
        apply(schedule, draft)
        note(session, schedule, by, "changed", _changes(before, draft))
    session.flush()
    return schedule


def _check_name(session: Session, name: str, id: int | None) -> None:
    taken = session.execute(select(Schedule.id).where(Schedule.name == name)).scalar()
    if taken is not None and taken != id:
        raise InvalidArguments(f"name: There is a schedule {name!r} already.", errors={"name": "There is a schedule of this name already."})
