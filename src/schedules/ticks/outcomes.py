"""Outcomes of scheduled jobs: count consecutive failures, pause the schedule, and submit its callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, text, update
from sqlalchemy.orm import Session

from ...formats.quantities import counted
from ...jobs.core.errors import JobsError
from ...jobs.core.guards import guarded
from ...jobs.core.models import Job
from ...jobs.core.states import FINAL, Source, State, listed
from ...jobs.submit.submission import submit
from ...logs import get_logger
from ...settings import get_settings
from ...sql.clock import now
from ...sql.columns import to_microseconds
from ...sql.direct import Direct
from ...sql.statements import Single
from ..edit import editing
from ..rows import deadlines
from ..rows.makers import Maker
from ..rows.models import Schedule, Tick
from ..rows.overlaps import LINE
from ..rows.vocabulary import Event, TickState
from ..rules.zones import local, zone_of
from .ticks import hurry

log = get_logger(__name__)

#: outcomes recorded in one transaction
BATCH = 200
#: how long to watch an ended job for an operator's retry
REOPENED_WITHIN = timedelta(days=7)
_FAILED = (TickState.DEAD, TickState.EXPIRED)
_REOPENABLE = (TickState.DEAD, TickState.EXPIRED, TickState.CANCELLED)
#: as in their index: SQLite compares texts, not the values of parameters
_HAS_FAILED = text(f"schedule_ticks.state IN {listed(*_REOPENABLE)}")


@dataclass(frozen=True, slots=True)
class End:
    """A tick whose job has ended (state None: its row is gone)."""

    schedule_id: int
    scheduled_for: datetime
    job_id: str | None
    state: State | None
    finished_at: datetime | None
    error: str | None


# A scheduler asks this each second, and usually the answer is no: without a session, it takes a tenth of the CPU.
_NEWS = Single(f"""
    SELECT 1 WHERE EXISTS (
        SELECT 1 FROM schedule_ticks AS t LEFT JOIN jobs AS j ON j.id = t.job_id
        WHERE t.state = '{TickState.SUBMITTED}' AND (j.id IS NULL OR j.state IN {listed(*FINAL)})
    ) OR EXISTS (SELECT 1 FROM jobs WHERE waits_for >= '{LINE}' AND waits_for < '{LINE[:-1]};' AND state = '{State.SCHEDULED}')
    OR EXISTS (SELECT 1 FROM schedules WHERE alert_at <= @(:now))
""")


def has_news(session: Session | Direct) -> bool:
    """True if a tick's job has ended, a job waits in a line, or a deadline has passed."""
    return bool(_NEWS.fetch(session, now=to_microseconds(now())))


def ended(session: Session) -> list[End]:
    """Return ticks whose jobs have ended and that are not yet marked so, earliest end first."""
    statement = (
        select(Tick.schedule_id, Tick.scheduled_for, Tick.job_id, Job.state, Job.finished_at, Job.error, Job.reason)
        .outerjoin(Job, Job.id == Tick.job_id)
        .where(Tick.state == TickState.SUBMITTED, or_(Job.id.is_(None), Job.state.in_(FINAL)))
        .order_by(Job.finished_at)
        .limit(BATCH)
    )
    return [End(*row[:5], row.error or row.reason) for row in session.execute(statement)]


def note(session: Session, ends: Sequence[End], make: Maker) -> int:
    """Record these outcomes on their ticks and apply their consequences; return how many were new."""
    hurry(session)
    noted = 0
    for id in sorted({end.schedule_id for end in ends}):
        statement = select(Schedule).where(Schedule.id == id).with_for_update(skip_locked=True)
        schedule = session.execute(statement.execution_options(populate_existing=True)).scalars().first()
        if schedule is None:
            continue  # another process is recording them
        for end in ends:
            if end.schedule_id == id and _write(session, end):
                noted += 1
                with guarded("end_not_followed", schedule_id=id, job_id=end.job_id), session.begin_nested():
                    _follow(session, schedule, end, make)
    session.flush()
    return noted


def reopen(session: Session) -> int:
    """Reopen ticks whose ended job an operator has retried."""
    retried = (
        select(Tick.schedule_id, Tick.scheduled_for)
        .join(Job, Job.id == Tick.job_id)
        .where(_HAS_FAILED, Tick.finished_at > now() - REOPENED_WITHIN)
        .where(or_(Job.state.not_in([State.DEAD, State.EXPIRED, State.CANCELLED])))
    )
    found = session.execute(retried).all()
    for schedule_id, scheduled_for in found:
        mine = (Tick.schedule_id == schedule_id) & (Tick.scheduled_for == scheduled_for)
        session.execute(update(Tick).where(mine, Tick.state.in_(_REOPENABLE)).values(state=TickState.SUBMITTED, finished_at=None))
    return len(found)


def overdue(session: Session) -> list[int]:
    """Return the schedules whose success deadline has passed."""
    return list(session.execute(select(Schedule.id).where(Schedule.alert_at.is_not(None), Schedule.alert_at <= now())).scalars())


def check_deadline(session: Session, id: int, make: Maker) -> bool:
    """Check whether a schedule has succeeded by its deadline, and notify once if not. True: it has notified."""
    hurry(session)
    statement = select(Schedule).where(Schedule.id == id).with_for_update(skip_locked=True)
    schedule = session.execute(statement.execution_options(populate_existing=True)).scalars().first()
    if schedule is None or schedule.alert_at is None or schedule.alert_at > now():
        return False
    deadline = schedule.alert_at
    window = deadlines.watched(schedule, deadline)
    succeeded = window is None or _newest_success(session, id, *window) is not None
    newest = None if window is None else _newest_success(session, id, window.start, now())
    first_tick = None if window is None else schedule.draft.rule.next(max(window.start, newest or window.start))
    schedule.alert_at = deadlines.following(schedule, max(deadline, now()), first_tick=first_tick)
    if succeeded or schedule.alerted_at is not None:
        return False
    schedule.alerted_at = deadline
    text = f"No success of {schedule.name} by {_clock(schedule, deadline)}"
    notify(session, schedule, Event.NO_SUCCESS, schedule.on_alert or get_settings().alert_actor or None, make, text=text)
    session.flush()
    return True


def notify(
    session: Session, schedule: Schedule, event: Event, actor: str | None, make: Maker, *, text: str, end: End | None = None
) -> None:
    """Submit the callback actor with one object; if it rejects the object, log that instead of failing the caller."""
    log.info("schedule_" + event.value, schedule=schedule.name, notified=actor)
    if actor is None:
        return
    event_document: dict[str, Any] = {
        "event": event.value, "text": text, "schedule": schedule.name, "schedule_id": schedule.id, "actor": schedule.actor,
        "failures": schedule.failures, "scheduled_for": end.scheduled_for.isoformat() if end else None,
        "job_id": end.job_id if end else None, "state": end.state.value if end and end.state else None, "error": end.error if end else None,
    }  # fmt: skip
    try:
        submit(session, make(actor, [event_document], {}, {}), source=Source.CALLBACK, submitted_by=f"schedule {schedule.name}"[:255])
    except JobsError as error:
        log.error("schedule_notification_failed", schedule=schedule.name, actor=actor, detail=str(error))


def _follow(session: Session, schedule: Schedule, end: End, make: Maker) -> None:
    state = TickState(end.state.value) if end.state else TickState.CANCELLED
    if state is TickState.SUCCEEDED:
        had_failed = schedule.failures > 0 or schedule.alerted_at is not None
        schedule.failures, schedule.alerted_at = 0, None
        if had_failed:
            notify(session, schedule, Event.RECOVERED, schedule.on_recovery, make, text=f"{schedule.name} has succeeded again", end=end)
    elif state in _FAILED:
        schedule.failures += 1
        text = f"{schedule.name} has failed: {end.error or end.state}"
        notify(session, schedule, Event.FAILED, schedule.on_failure, make, text=text, end=end)
        if schedule.pause_after is not None and schedule.failures >= schedule.pause_after and schedule.paused_at is None:
            reason = f"paused by itself after {counted(schedule.failures, 'failure')} in a row"
            editing.stop(schedule, by=None, reason=reason)
            editing.note(session, schedule, "callboard", "paused", {"reason": [None, reason]})
            notify(session, schedule, Event.PAUSED, schedule.on_failure, make, text=f"{schedule.name} is {reason}", end=end)


def _write(session: Session, end: End) -> bool:
    mine = (Tick.schedule_id == end.schedule_id) & (Tick.scheduled_for == end.scheduled_for)
    state = TickState(end.state.value) if end.state else TickState.CANCELLED
    values: dict[str, Any] = {"state": state, "finished_at": end.finished_at or now()}
    if end.state is None:
        values["reason"] = "its job was deleted before its end was noted"
    statement = update(Tick).where(mine, Tick.state == TickState.SUBMITTED).values(**values).returning(Tick.schedule_id)
    return session.execute(statement.execution_options(synchronize_session=False)).first() is not None


def _newest_success(session: Session, id: int, start: datetime, end: datetime) -> datetime | None:
    statement = (
        select(Tick.scheduled_for)
        .outerjoin(Job, Job.id == Tick.job_id)
        .where(Tick.schedule_id == id, Tick.scheduled_for >= start, Tick.scheduled_for <= end)
        .where(or_(Tick.state == TickState.SUCCEEDED, Job.state == State.SUCCEEDED))
        .order_by(Tick.scheduled_for.desc())
        .limit(1)
    )
    return session.execute(statement).scalar()


def _clock(schedule: Schedule, instant: datetime) -> str:
    return f"{local(zone_of(schedule.zone), instant):%H:%M on %d %b %Y} ({schedule.zone})"
