"""Declared schedules: store the schedules that code declares, and keep the rows in step with the code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...jobs.core.errors import JobsError, UnknownActor
from ...jobs.core.guards import guarded
from ...logs import get_logger
from ...sql.clock import now
from ...sql.upsert import upsert
from ..rows.declarations import Declaration
from ..rows.drafts import GROUPS, TIME_FIELDS, Draft
from ..rows.makers import Maker
from ..rows.models import Schedule
from .editing import apply, begin_anew, note

log = get_logger(__name__)

#: author of changes made by a deploy
CODE = "code"


def synchronise(session: Session, declared: Mapping[str, Declaration], known_actors: Collection[str], owners: Collection[str] = ()) -> None:
    """Synchronise the rows with the schedules that this process's actors declare.

    Fields that a user has overridden stay. If an actor known here no longer declares a schedule, its row stops, and so
    does one that is missing among its owner's. `owners`: those whose declarations are complete here. A row of another
    unknown actor belongs to another part of the fleet.
    """
    for actor, declaration in sorted(declared.items()):
        with guarded("schedule_not_registered", actor=actor), session.begin_nested():
            register(session, actor, declaration)
    rows = select(Schedule).where(Schedule.declared.is_(True), Schedule.gone.is_(False)).with_for_update()
    for schedule in session.execute(rows.order_by(Schedule.id)).scalars():
        is_known = schedule.actor in known_actors or (schedule.code or {}).get("owner") in owners
        if is_known and schedule.actor not in declared:
            schedule.gone, schedule.tick_at, schedule.due_at, schedule.alert_at = True, None, None, None
            note(session, schedule, CODE, "gone from the code", {})
    session.flush()


def register(session: Session, actor: str, declaration: Declaration, *, since: datetime | None = None) -> Schedule:
    """Insert or update the row of a declaration. A new one first ticks later than `since` (default: now)."""
    draft = declaration.of(actor)
    schedule = _find(session, actor)
    if schedule is None:
        schedule = _insert(session, _with_free_name(session, draft), declaration.document(actor), since)
    said = Draft.of_document(schedule.code)
    changed = said.differing(draft)
    document = declaration.document(actor)
    if not changed and not schedule.gone and schedule.code == document:
        return schedule
    _warn_of_another_owner(actor, schedule.code, document)
    schedule.code = document
    returned, schedule.gone = schedule.gone, False
    apply(schedule, _merged(schedule.draft, said, draft))
    if returned and schedule.paused_at is None:
        begin_anew(schedule)
    changes = {name: [said.document()[name], draft.document()[name]] for name in changed if name not in ("args", "kwargs")}
    note(session, schedule, CODE, "declared again" if returned else "changed", changes)
    session.flush()
    return schedule


def _merged(mine: Draft, said: Draft, draft: Draft) -> Draft:
    """Return `mine` with the new declaration's value of each setting that a user has not overridden.

    The overrides are the settings that differ from the previous declaration, `said`.
    """
    kept = {"name", *mine.differing(said)}
    for group in GROUPS:
        if not kept.isdisjoint(group):
            kept.update(group)  # else a cron rule could stand beside the code's new interval
    merged = replace(mine, **{name: getattr(draft, name) for name in said.differing(draft) if name not in kept})
    if merged.rule.problem is not None:  # such as the code's new start after an overridden end
        merged = replace(merged, **{name: getattr(mine, name) for name in TIME_FIELDS})
    return merged


def _warn_of_another_owner(actor: str, before: Mapping[str, Any] | None, document: Mapping[str, Any]) -> None:
    """Log that a declaration replaces one of another owner: two services whose entries have one name would do so in turn."""
    earlier, owner = (before or {}).get("owner"), document.get("owner")
    if earlier is not None and owner is not None and earlier != owner and not owner.startswith(f"{earlier}:"):
        log.warning("schedule_of_another_owner_replaced", actor=actor, earlier=earlier, owner=owner)


def judge(session: Session, make: Maker) -> int:
    """Mark schedules whose arguments do not fit their actors, and unmark those that fit again; return the number of broken ones.

    Schedules of unknown actors are left to the processes that know them.
    """
    broken = 0
    for schedule in session.execute(select(Schedule).with_for_update().order_by(Schedule.id)).scalars():
        with guarded("schedule_not_judged", schedule_id=schedule.id):
            found = misfit(schedule.draft, make)
            if found is None or not found.is_unknown:
                schedule.broken = found.problem if found else None
        broken += schedule.broken is not None
    session.flush()
    return broken


class Misfit(NamedTuple):
    """Why a schedule cannot be fired, and whether the reason is an unknown actor."""

    problem: str
    is_unknown: bool


def misfit(draft: Draft, make: Maker) -> Misfit | None:
    """Return why this schedule cannot be fired; None if it can."""
    if (problem := draft.rule.problem) is not None:
        return Misfit(problem, False)
    try:
        make(draft.actor, draft.args, draft.kwargs, {})
    except JobsError as error:
        return Misfit(str(error), isinstance(error, UnknownActor))
    return None


def _find(session: Session, actor: str) -> Schedule | None:
    statement = select(Schedule).where(Schedule.declared.is_(True), Schedule.actor == actor).with_for_update()
    return session.execute(statement.execution_options(populate_existing=True)).scalars().first()


def _insert(session: Session, draft: Draft, code: dict[str, Any], since: datetime | None) -> Schedule:
    """Insert the row unless another process has done so: several processes start at once."""
    schedule = Schedule(created_at=now(), created_by=CODE, declared=True, code=code)
    for name in Draft.__dataclass_fields__:
        setattr(schedule, name, getattr(draft, name))
    begin_anew(schedule, since=since)
    values: dict[str, Any] = {
        column.name: getattr(schedule, column.name) for column in Schedule.__table__.columns if getattr(schedule, column.name) is not None
    }
    values |= {"gone": False, "failures": 0, "version": 1}
    session.execute(upsert(session, Schedule).values(**values).on_conflict_do_nothing(index_elements=["name"]))
    found = _find(session, draft.actor)
    assert found is not None
    return found


def _with_free_name(session: Session, draft: Draft) -> Draft:
    """Return the draft under its actor's name, or another one if a user gave that name to another schedule."""
    taken = session.execute(select(Schedule.id).where(Schedule.name == draft.name, Schedule.declared.is_(False))).first()
    return replace(draft, name=f"{draft.name} (declared in code)"[:200]) if taken else draft
