"""fire(): turn the due ticks of a schedule into rows and jobs, in the caller's one transaction.

Any number of processes may call it at once, and too early or late: it locks the schedule's row, and a tick's row can be
inserted only once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dramatiq import Message
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from ... import audit
from ...jobs.core.errors import JobsError, NotAllowed, UnknownActor
from ...jobs.submit.submission import submit
from ...sql.clock import now
from ...sql.statements import is_sqlite
from ...sql.upsert import upsert
from ...telemetry import tracing
from ..rows import overlaps
from ..rows.errors import UnknownSchedule
from ..rows.makers import Maker
from ..rows.models import Schedule, Tick
from ..rows.vocabulary import Origin, TickState
from .misfires import Decision, due_ticks, judge

#: the message option with the tick's instant, exposed as current_job.scheduled_for
SCHEDULED_FOR = "scheduled_for"
#: how long a process that does not know the actor leaves a tick to others, as during a deploy
UNKNOWN_ACTOR_WAITS = timedelta(seconds=30)
#: milliseconds after which PostgreSQL ends the transaction of a stalled process: others wait for its locks
FROZEN_MS = 500
#: ticks without a job, which a backfill may run
WITHOUT_JOB = (TickState.MISSED, TickState.SKIPPED, TickState.BROKEN)


@dataclass(frozen=True, slots=True)
class Fired:
    """Result of deciding one tick."""

    tick: datetime
    due_at: datetime
    state: TickState
    job_id: str | None
    reason: str | None
    is_shared: bool = False  # its job is an earlier one, of the same unique key


def fire(session: Session, id: int, make: Maker, *, reported: datetime | None = None) -> list[Fired]:
    """Decide every due tick of this schedule; do nothing if another process is doing so or has done so.

    `reported`: a tick that counts as due regardless of jitter, because another clock has fired it.
    """
    hurry(session)
    # The process that holds the row lock makes the decision: waiting would be useless.
    schedule = _lock(session, id, skip_locked=True)
    if schedule is None or schedule.due_at is None or schedule.tick_at is None:
        return []
    present = now()
    if reported is not None and reported >= schedule.tick_at:
        present = max(present, schedule.due_at)
    if schedule.due_at > present or _is_for_others(schedule, make, present):
        return []
    rule = schedule.draft.rule
    ticks, older = due_ticks(rule, schedule.tick_at, present)
    decisions = judge(rule, ticks, older, present, missed=schedule.missed, grace_s=schedule.grace_s)
    fired = [decide(session, schedule, decision, make) for decision in decisions]
    schedule.tick_at = rule.next(ticks[-1] if ticks else schedule.tick_at)
    schedule.due_at = None if schedule.tick_at is None else rule.due(schedule.tick_at)
    session.flush()
    return [one for one in fired if one is not None]


def run_now(session: Session, id: int, make: Maker, *, by: str) -> Fired:
    """Run a schedule once outside its ticks, which stay unchanged. Raises NotAllowed if an earlier job is in the way."""
    schedule = _lock(session, id)
    if schedule is None:
        raise UnknownSchedule(f"There is no schedule {id}.", field="id")
    audit.about("schedule", id, name=schedule.name)
    fired, present = None, now()
    while fired is None:
        fired = decide(session, schedule, Decision(present, present, True, Origin.MANUAL), make, by=by)
        present += timedelta(microseconds=1)  # a regular tick may have this very instant
    if fired.job_id is None:
        raise NotAllowed(f"it was not run: {fired.reason}")
    session.flush()
    return fired


def decide(session: Session, schedule: Schedule, decision: Decision, make: Maker, *, by: str | None = None) -> Fired | None:
    """Write one tick, with its job if it gets one; None: it has already been decided."""
    state, reason = TickState.MISSED, decision.reason
    message: Message[Any] | None = None
    how: dict[str, Any] = {}
    is_shared = False
    if decision.runs:
        state = TickState.SUBMITTED
        try:
            if decision.origin is not Origin.MANUAL:
                schedule.draft.rule.check()
            message = make(schedule.actor, schedule.args, schedule.kwargs, {SCHEDULED_FOR: decision.tick.isoformat()})
            how = overlaps.settle(session, schedule, decision.origin)
            schedule.broken = None
        except JobsError as error:
            state, reason = TickState.BROKEN, str(error)
            schedule.broken = reason
        except overlaps.InTheWay as other:
            state, reason, message = TickState.SKIPPED, str(other), None
    job_id = None if message is None else message.message_id
    tick = {
        "schedule_id": schedule.id, "scheduled_for": decision.tick, "due_at": decision.due_at, "decided_at": now(), "origin": decision.origin,
        "state": state, "reason": reason, "covers": decision.covers, "job_id": job_id, "submitted_by": by,
    }  # fmt: skip
    if not _write(session, tick):
        return None
    if message is not None:
        try:
            with tracing.step("tick", schedule=schedule.name):
                receipt = submit(session, message, source="schedule", submitted_by=by or f"schedule {schedule.name}", **how)
            if not receipt.created:
                job_id, reason, is_shared = receipt.id, receipt.reason or reason, True
        except JobsError as error:  # too large, for instance: rejected before anything was written
            schedule.broken = reason = str(error)
            job_id, state = None, TickState.BROKEN
        if job_id != message.message_id:
            mine = (Tick.schedule_id == schedule.id) & (Tick.scheduled_for == decision.tick)
            session.execute(update(Tick).where(mine).values(job_id=job_id, state=state, reason=reason))
    return Fired(decision.tick, decision.due_at, state, job_id, reason, is_shared)


def rewind(session: Session, present: datetime) -> int:
    """Rewind schedules whose next tick lies too far ahead because the clock was set back; return their number.

    Otherwise none would fire until the clock caught up. Ticks of the repeated period fire again: their rows are
    deleted.
    """
    active = select(Schedule).where(Schedule.due_at.is_not(None), Schedule.tick_at.is_not(None)).with_for_update()
    rewound = 0
    for schedule in session.execute(active).scalars():
        rule = schedule.draft.rule
        if rule.problem is not None:
            continue  # it has no ticks on this host
        following = rule.next(present)
        if following is not None and schedule.tick_at is not None and following < schedule.tick_at:
            repeated = (Tick.schedule_id == schedule.id) & (Tick.scheduled_for > present) & (Tick.origin != Origin.MANUAL)
            session.execute(delete(Tick).where(repeated).execution_options(synchronize_session=False))
            schedule.tick_at, schedule.due_at = following, rule.due(following)
            rewound += 1
    return rewound


def hurry(session: Session) -> None:
    """Let PostgreSQL abort this transaction, and release its locks, if its process stalls."""
    if not is_sqlite(session):
        session.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = {FROZEN_MS}"))


def _is_for_others(schedule: Schedule, make: Maker, present: datetime) -> bool:
    """True if this process does not know the actor but another one may."""
    assert schedule.due_at is not None
    if present - schedule.due_at > UNKNOWN_ACTOR_WAITS:
        return False
    try:
        make(schedule.actor, schedule.args, schedule.kwargs, {})
    except UnknownActor:
        return True
    except JobsError:
        return False
    return False


def _lock(session: Session, id: int, *, skip_locked: bool = False) -> Schedule | None:
    statement = select(Schedule).where(Schedule.id == id).with_for_update(skip_locked=skip_locked)
    return session.execute(statement.execution_options(populate_existing=True)).scalars().first()


def _write(session: Session, tick: dict[str, Any]) -> bool:
    """Insert the tick; False if it exists. A backfill may replace a tick that got no job."""
    insert = upsert(session, Tick).values(**tick)
    key = ["schedule_id", "scheduled_for"]
    if tick["origin"] is Origin.BACKFILL:
        changed = {name: getattr(insert.excluded, name) for name in tick if name not in key}
        statement = insert.on_conflict_do_update(index_elements=key, set_=changed, where=Tick.state.in_(WITHOUT_JOB))
    else:
        statement = insert.on_conflict_do_nothing(index_elements=key)
    return session.execute(statement.returning(Tick.schedule_id)).first() is not None
