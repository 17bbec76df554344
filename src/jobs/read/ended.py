"""Ended jobs over time, for charts: read from counts by minute, and from the jobs themselves for what is not counted yet.

`upkeep.ended_counts` writes the counts. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...sql.columns import from_microseconds, to_microseconds
from ...sql.statements import plain, run
from ..core.models import EndedJobs
from ..core.states import State

MINUTE_US = 60_000_000
#: lengths of the counted spans, in minutes
SHORT, LONG = 1, 30
#: name of an actor that is not known
UNKNOWN = "?"

_COUNTED = plain("""
    SELECT (minute - :first) / :step AS number, actor, state, sum(jobs) FROM ended_jobs
    WHERE span = :span AND minute >= :begin AND minute < :end GROUP BY 1, 2, 3
""")
_UNCOUNTED = plain(f"""
    SELECT (#(finished_at) / {MINUTE_US} - :first) / :step AS number, coalesce(actor, '{UNKNOWN}'), state, count(*) FROM jobs
    WHERE finished_at >= @(:since) AND finished_at < @(:until) GROUP BY 1, 2, 3
""")


def minute_of(instant: datetime) -> int:
    """Return the minute of an instant, counted from 1970."""
    return to_microseconds(instant) // MINUTE_US


def instant_of(minute: int) -> datetime:
    """Return the begin of a minute."""
    return from_microseconds(minute * MINUTE_US)


def end_of(instant: datetime, step: timedelta) -> datetime:
    """Return the end of the last step of a chart that shows this instant: a step begins with a counted span."""
    span = _span(step // timedelta(minutes=1))
    return instant_of((minute_of(instant) // span + 1) * span)


def counted_to(session: Session) -> int:
    """Return the first minute that is not counted yet."""
    # Minutes are kept for days, half hours for long: after days without a job one half hour is counted again.
    newest = [session.execute(select(func.max(EndedJobs.minute)).where(EndedJobs.span == span)).scalar() for span in (SHORT, LONG)]
    short, long = newest
    return max(0 if short is None else short + 1, long or 0)


def by_step(
    session: Session, since: datetime, until: datetime, step: timedelta, *, may_see: Callable[[str], bool] | None = None
) -> list[dict[State, int]]:
    """Count the jobs that reached each final state in each step of the period, in order. `until` is one of `end_of()`."""
    first, last, length = minute_of(since), minute_of(until), step // timedelta(minutes=1)
    span = _span(length)
    counted = min(last, max(first, counted_to(session)))
    whole = max(first, counted // span * span)
    common = {"first": first, "step": length}
    found: list[Any] = []
    for each, begin, end in ((span, first, whole), (SHORT, whole, counted)):  # the newest half hour is not over
        found += run(session, _COUNTED, **common, span=each, begin=begin, end=end)
    found += run(session, _UNCOUNTED, **common, since=counted * MINUTE_US, until=last * MINUTE_US)
    steps: list[dict[State, int]] = [{} for _ in range((last - first) // length)]
    for number, actor, state, jobs in found:
        if may_see is None or may_see(actor):
            counts = steps[number]
            counts[State(state)] = counts.get(State(state), 0) + int(jobs)
    return steps


def _span(step: int) -> int:
    return SHORT if step % LONG else LONG
