"""Queries of schedules, one function per question. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ... import COMMAND
from ...jobs.core.guards import guarded
from ...jobs.core.models import Job
from ...jobs.core.states import State
from ...jobs.read import run_times
from ...sql.columns import to_microseconds
from ...sql.direct import Direct
from ...sql.statements import Single
from ..rules.rules import Rule
from .errors import UnknownSchedule
from .models import Schedule, ScheduleChange, Tick
from .vocabulary import TickState

#: recent outcomes shown for each schedule in a list
RECENT = 30


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule that is due soon. `mark` changes whenever its rule may have."""

    id: int
    due_at: datetime
    rule: Rule
    mark: str


@dataclass(frozen=True, slots=True)
class Run:
    """A tick with the present state of its job."""

    tick: Tick
    state: TickState
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    job_state: State | None
    ran: timedelta | None  # its newest attempt, which has ended


@dataclass(frozen=True, slots=True)
class History:
    """A page of ticks, newest first; `next`: the instant to pass as `before` for the following page."""

    runs: list[Run]
    next: datetime | None


# A scheduler asks this twice a second: without a session, it takes a tenth of the CPU.
_DUE = Single("SELECT id, #(due_at), version FROM schedules WHERE due_at < @(:before) ORDER BY due_at, id")


def due_marks(direct: Direct, instant: datetime) -> list[tuple[int, int, int]]:
    """Return (id, due time, version) of the schedules that are due before an instant: while they are equal, so is `due_before`."""
    return [tuple(row) for row in _DUE.fetch(direct, before=to_microseconds(instant))]


def due_before(session: Session, instant: datetime) -> list[Due]:
    """Return the schedules that are due before an instant."""
    statement = select(Schedule).where(Schedule.due_at.is_not(None), Schedule.due_at < instant).order_by(Schedule.due_at)
    found = []
    for one in session.execute(statement).scalars():
        with guarded("schedule_not_readable", schedule_id=one.id):
            if one.due_at:
                found.append(Due(one.id, one.due_at, one.draft.rule, str(one.version)))
    return found


def first_due(session: Session) -> datetime | None:
    """Return the earliest due time among schedules that are not paused."""
    return session.execute(select(func.min(Schedule.due_at)).where(Schedule.paused_at.is_(None))).scalar()


def every(session: Session) -> list[Schedule]:
    """Return all schedules by name."""
    return list(session.execute(select(Schedule).order_by(Schedule.name)).scalars())


def find(session: Session, which: int | str) -> Schedule:
    """Return the schedule of this id, or of this name; raises UnknownSchedule.

    A number is an id, and never a name: which schedule it means must not depend on those that a session may see.
    """
    text = str(which)
    if text.isascii() and text.isdecimal():
        found = session.get(Schedule, int(text)) if len(text) < 16 else None
    else:
        found = session.execute(select(Schedule).where(Schedule.name == text)).scalars().first()
    if found is None:
        raise UnknownSchedule(f"There is no schedule {text!r}. {COMMAND} schedules and GET /api/v1/schedules list them.", field="id")
    return found


def of_actor(session: Session, actor: str) -> list[Schedule]:
    """Return the schedules of one actor."""
    return list(session.execute(select(Schedule).where(Schedule.actor == actor).order_by(Schedule.name)).scalars())


def of_job(session: Session, job_id: str) -> tuple[Schedule, Tick] | None:
    """Return the schedule and the tick that a job comes from."""
    statement = select(Schedule, Tick).join(Tick, Tick.schedule_id == Schedule.id).where(Tick.job_id == job_id).limit(1)
    found = session.execute(statement).first()
    return None if found is None else (found[0], found[1])


def history(session: Session, id: int, *, states: Collection[TickState] = (), before: datetime | None = None, limit: int = 50) -> History:
    """Return a page of a schedule's ticks, newest first."""
    statement = select(Tick, Job).outerjoin(Job, Job.id == Tick.job_id).where(Tick.schedule_id == id)
    if states:
        statement = statement.where(Tick.state.in_(states))
    if before is not None:
        statement = statement.where(Tick.scheduled_for < before)
    found = session.execute(statement.order_by(Tick.scheduled_for.desc()).limit(limit + 1)).all()
    ran = run_times.of(session, [job for _, job in found[:limit] if job is not None])
    runs = [_run(tick, job, ran) for tick, job in found[:limit]]
    return History(runs, runs[-1].tick.scheduled_for if len(found) > limit else None)


def recent(
    session: Session, ids: Collection[int], *, since: datetime | None = None, until: datetime | None = None
) -> dict[int, list[Tick]]:
    """Return the newest ticks of each of these schedules, oldest first. `since`, `until`: only those in between."""
    # One range of the key for each: ranking them in one statement would read every tick ever fired.
    newest = select(Tick).order_by(Tick.scheduled_for.desc()).limit(RECENT)
    if since is not None:
        newest = newest.where(Tick.scheduled_for >= since)
    if until is not None:
        newest = newest.where(Tick.scheduled_for < until)
    found = {id: list(session.execute(newest.where(Tick.schedule_id == id)).scalars()) for id in ids}
    for ticks in found.values():
        ticks.reverse()
    return found


def missed(session: Session, id: int, since: datetime) -> tuple[int, datetime, datetime] | None:
    """Return the number of ticks missed since an instant, and the first and last of them."""
    statement = select(func.sum(Tick.covers), func.min(Tick.scheduled_for), func.max(Tick.scheduled_for)).where(
        Tick.schedule_id == id, Tick.state == TickState.MISSED, Tick.decided_at >= since
    )
    number, first, last = session.execute(statement).one()
    return None if not number else (int(number), first, last)


def changes(session: Session, id: int, limit: int = 20) -> list[ScheduleChange]:
    """Return the changes and their authors, newest first."""
    statement = select(ScheduleChange).where(ScheduleChange.schedule_id == id).order_by(ScheduleChange.id.desc()).limit(limit)
    return list(session.execute(statement).scalars())


def changed_lately(session: Session, *, since: datetime, until: datetime, limit: int) -> list[tuple[Schedule, ScheduleChange]]:
    """Return the newest changes of all schedules within a range."""
    newest = (
        select(ScheduleChange.id)
        .where(ScheduleChange.changed_at.between(since, until))
        .order_by(ScheduleChange.id.desc())
        .limit(limit)
        .subquery()
    )
    statement = select(Schedule, ScheduleChange).join(ScheduleChange, ScheduleChange.schedule_id == Schedule.id)
    found = session.execute(statement.where(ScheduleChange.id.in_(select(newest.c.id))).order_by(ScheduleChange.id.desc()))
    return [(schedule, change) for schedule, change in found]


def _run(tick: Tick, job: Any, ran: Mapping[int, timedelta]) -> Run:
    if job is None:
        return Run(tick, tick.state, None, tick.finished_at, None, None, None)
    state = TickState(job.state.value) if job.state.is_final else TickState.SUBMITTED
    return Run(tick, state, job.started_at, job.finished_at, job.error, job.state, ran.get(job.seq))
