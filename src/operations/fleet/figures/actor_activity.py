"""Activity of each actor over a time range: ended jobs, failures, run time, the newest job and the next schedule."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ....jobs.core.models import Job
from ....jobs.core.states import State
from ....jobs.read import histograms
from ....jobs.read.ended import Ended
from ....jobs.read.histograms import Histogram
from ....schedules.rows import queries as schedules
from ....schedules.rows.models import Schedule
from ...format.time_ranges import TimeRange
from . import history

#: actors looked up in one statement
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Activity:
    """Activity of one actor."""

    columns: list[Ended] = field(default_factory=list)  # without durations
    runs: Histogram = field(default_factory=histograms.empty)
    newest: tuple[str, State, datetime] | None = None  # id, state and end of its newest job, or its submission before that
    schedule: Schedule | None = None  # the one that is due next, or a paused one

    @property
    def trend(self) -> list[int]:
        return [each.total for each in self.columns]

    @property
    def failures(self) -> list[int]:
        return [each.dead for each in self.columns]

    @property
    def total(self) -> int:
        return sum(self.trend)

    @property
    def failure_rate(self) -> float | None:
        """Share of dead jobs among those that succeeded or died; None without any."""
        ended = sum(each.jobs.get(State.SUCCEEDED, 0) for each in self.columns) + sum(self.failures)
        return sum(self.failures) / ended if ended else None

    @property
    def p95(self) -> float | None:
        """95th percentile of the run time in seconds."""
        return histograms.quantile(self.runs, 0.95)


def look(session: Session, names: list[str], period: TimeRange) -> dict[str, Activity]:
    """Return the activity of these actors."""
    series, runs = history.by_actor(session, period)
    due = _next_schedules(session)
    newest = _newest_jobs(session, names)
    return {
        name: Activity(
            series.get(name) or [Ended() for _ in period.columns], runs.get(name) or histograms.empty(), newest.get(name), due.get(name)
        )
        for name in names
    }


def _newest_jobs(session: Session, names: list[str]) -> dict[str, tuple[str, State, datetime]]:
    """Map actors to the id, state and end of their newest job."""
    found = {}
    for begin in range(0, len(names), AT_ONCE):
        # One lookup in the index by actor for each: the greatest number of every actor would be read from the whole index.
        greatest = [select(func.max(Job.seq)).where(Job.actor == name).scalar_subquery() for name in names[begin : begin + AT_ONCE]]
        numbers = [number for number in session.execute(select(*greatest)).one() if number is not None]
        columns = select(Job.actor, Job.id, Job.state, Job.finished_at, Job.created_at).where(Job.seq.in_(numbers))
        for actor, id, state, finished_at, created_at in session.execute(columns):
            found[actor or ""] = (id, state, finished_at or created_at)
    return found


def _next_schedules(session: Session) -> dict[str, Schedule]:
    by_actor: dict[str, list[Schedule]] = defaultdict(list)
    for each in schedules.every(session):
        by_actor[each.actor].append(each)
    return {
        actor: min(those, key=lambda each: (each.paused_at is not None or each.due_at is None, each.due_at or each.created_at))
        for actor, those in by_actor.items()
    }
