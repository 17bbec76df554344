"""Overlaps: the policy for a tick while a job of an earlier tick is open, and the line in which jobs wait for their turn."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, text, union, update
from sqlalchemy.orm import Session

from ...jobs.control import actions
from ...jobs.core.envelopes import announce
from ...jobs.core.errors import NotAllowed
from ...jobs.core.models import Job
from ...jobs.core.release import release_waiting
from ...jobs.core.states import FINAL, State
from .models import Schedule, Tick
from .vocabulary import Origin, Overlap, TickState

#: prefix of `waits_for` of a job in a schedule's line, followed by the schedule's id
LINE = "schedule:"
#: most jobs in one line: where an actor is slower than its schedule, the line would grow for ever
LINE_LIMIT = 100
#: newest ticks whose jobs are looked at, whatever their ticks say
NEWEST = 100

#: states that may last for hours, until a retry is due or an operator acts: they skip no tick
LATER = (State.RETRYING, State.HELD)

#: as in its index: SQLite compares texts, not the values of parameters
_IS_OPEN = text(f"schedule_ticks.state = '{TickState.SUBMITTED}'")


class Blocked(NamedTuple):
    """A line of a schedule that waits for a job to be retried or released, since `since`."""

    schedule: str
    job: Job
    since: datetime


class InTheWay(Exception):
    """An earlier job is still open, so the tick is not run; the message is the reason."""


def settle(session: Session, schedule: Schedule, origin: Origin) -> dict[str, Any]:
    """Return how to submit a tick's job (fields of Submission); raises InTheWay if it must not be submitted.

    Backfilled and caught-up ticks are never skipped and cancel nothing: they line up.
    """
    if schedule.overlap is Overlap.ALLOW:
        return {}
    lines_up = schedule.overlap is Overlap.QUEUE or origin in (Origin.CATCH_UP, Origin.BACKFILL)
    earlier = open_jobs(session, schedule.id)
    if schedule.overlap is Overlap.SKIP and not lines_up:
        if in_the_way := [job for job in earlier if job.state not in LATER]:
            raise InTheWay(f"job {in_the_way[0].id} of an earlier tick is {in_the_way[0].state}")
        return {}
    if earlier and schedule.overlap is Overlap.CANCEL and not lines_up:
        for job in earlier:
            _cancel(session, job.id)
        earlier = open_jobs(session, schedule.id)
    if not earlier:
        return {}
    if len(earlier) > LINE_LIMIT and origin is not Origin.BACKFILL:
        raise InTheWay(f"{len(earlier)} jobs of earlier ticks wait already")
    return {"waits_for": f"{LINE}{schedule.id}", "reason": f"waits for the end of job {earlier[-1].id} of an earlier tick"}


def open_jobs(session: Session, schedule_id: int) -> list[Job]:
    """Return the schedule's unfinished jobs, oldest first.

    A retry of an ended job reopens its tick only when the follower looks, so the jobs of the newest ticks count as they are.
    """
    of_this = select(Tick.job_id).where(Tick.schedule_id == schedule_id)
    newest = of_this.order_by(Tick.scheduled_for.desc()).limit(NEWEST).subquery()
    ids = union(of_this.where(_IS_OPEN), select(newest.c.job_id))
    statement = select(Job).where(Job.id.in_(ids), Job.state.not_in(FINAL)).order_by(Job.seq).execution_options(populate_existing=True)
    return list(session.execute(statement).scalars())


def lines(session: Session) -> list[int]:
    """Return the schedules that have jobs waiting in a line."""
    waiting = select(Job.waits_for).where(Job.waits_for >= LINE, Job.waits_for < f"{LINE[:-1]};", Job.state == State.SCHEDULED).distinct()
    return [int(name.removeprefix(LINE)) for name in session.execute(waiting).scalars() if name is not None]


def blocked(session: Session) -> list[Blocked]:
    """Return the lines that wait for a job in a state that may last for hours."""
    found = []
    for id in lines(session):
        jobs = open_jobs(session, id)
        line = f"{LINE}{id}"
        before, waiting = [job for job in jobs if job.waits_for != line], [job for job in jobs if job.waits_for == line]
        if waiting and before and all(job.state in LATER for job in before):
            found.append(Blocked(session.get_one(Schedule, id).name, before[-1], waiting[0].created_at))
    return found


def move_on(session: Session, schedule_id: int) -> bool:
    """Queue the first job of a line if no earlier one is open."""
    lock = select(Schedule.id).where(Schedule.id == schedule_id).with_for_update(skip_locked=True)
    if session.execute(lock).first() is None:
        return False
    line = f"{LINE}{schedule_id}"
    if any(job.waits_for != line for job in open_jobs(session, schedule_id)):
        return False
    envelopes = release_waiting(session, line, 1)
    announce(session, envelopes)
    return bool(envelopes)


def disband(session: Session, schedule_id: int) -> None:
    """Cancel the jobs of a line that no schedule will advance any longer."""
    waiting = select(Job.id).where(Job.waits_for == f"{LINE}{schedule_id}", Job.state == State.SCHEDULED)
    for id in list(session.execute(waiting).scalars()):
        _cancel(session, id)


def _cancel(session: Session, id: str) -> None:
    with contextlib.suppress(NotAllowed):  # it has just ended by itself, which is fine
        if actions.cancel(session, id).is_cancelling:
            # Its successor waits for its end with the key. Else the job that is being cancelled would stand for the successor.
            session.execute(update(Job).where(Job.id == id).values(unique_key=None).execution_options(synchronize_session=False))
