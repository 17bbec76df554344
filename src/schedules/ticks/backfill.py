"""Backfill: submit a job for each past tick of a period that has none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ... import audit
from ...jobs.core.errors import JobsError, NotAllowed
from ...sql.clock import now
from ..edit.editing import locked
from ..rows.makers import Maker
from ..rows.models import Schedule, Tick
from ..rows.vocabulary import Origin
from .misfires import Decision
from .ticks import WITHOUT_JOB, Fired, decide

#: ticks per request: all in one transaction, which blocks others
MOST = 1_000


@dataclass(frozen=True, slots=True)
class Backfill:
    """The ticks that were backfilled, and the number of ticks in the period that already had a job."""

    fired: list[Fired]
    had_one: int

    @property
    def job_ids(self) -> list[str]:
        """The new jobs."""
        return [one.job_id for one in self.fired if one.job_id is not None and not one.is_shared]

    @property
    def shared(self) -> int:
        """The number of ticks for which an earlier job of their unique key stands."""
        return sum(one.is_shared for one in self.fired)


def backfill(session: Session, id: int, start: datetime, end: datetime, make: Maker, *, by: str) -> Backfill:
    """Run every tick with start <= tick <= end that has no job; idempotent.

    Future ticks are left to the clock. If jobs must not overlap, they line up, oldest tick first.
    """
    schedule = locked(session, id)
    audit.about("schedule", id, name=schedule.name)
    ticks = candidates(schedule, start, end)
    taken = select(Tick.scheduled_for).where(
        Tick.schedule_id == id, Tick.scheduled_for >= start, Tick.scheduled_for <= end, Tick.state.not_in(WITHOUT_JOB)
    )
    has_job = set(session.execute(taken).scalars())
    wanted = [tick for tick in ticks if tick not in has_job]
    if len(wanted) > MOST:
        raise JobsError(f"These are {len(wanted)} ticks; at most {MOST} are backfilled at once: choose a shorter period.", field="to")
    fired = [decide(session, schedule, Decision(tick, tick, True, Origin.BACKFILL, "backfilled"), make, by=by) for tick in wanted]
    broken = next((one.reason for one in fired if one is not None and one.job_id is None), None)
    if broken is not None:
        raise NotAllowed(f"nothing was backfilled: {broken}")
    session.flush()
    return Backfill([one for one in fired if one is not None], len(ticks) - len(wanted))


def candidates(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    """Return the past ticks of a period, at most one more than may be requested."""
    if end < start:
        raise JobsError("The end lies before the start.", field="to")
    last = min(end, now())
    if schedule.tick_at is not None:
        last = min(last, schedule.tick_at - timedelta(microseconds=1))
    found: list[datetime] = []
    for tick in schedule.draft.rule.between(start, last):
        found.append(tick)
        if len(found) > 10 * MOST:
            raise JobsError(f"These are more than {10 * MOST} ticks: choose a shorter period.", field="to")
    return found
