"""Deadlines: the time by which a schedule must have succeeded, and the notification if it has not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from ...sql.clock import now
from ..rules.rules import Rule
from .models import Schedule

#: longer than a day on which clocks change
LONG_DAY = timedelta(hours=50)


def begin_anew(schedule: Schedule) -> None:
    """Expect a success from the next tick on."""
    # An earlier deadline would ask for the success of a tick before this one.
    after = now() if schedule.tick_at is None else max(now(), schedule.tick_at)
    schedule.alert_at = following(schedule, after, first_tick=schedule.tick_at)


def following(schedule: Schedule, after: datetime, *, first_tick: datetime | None) -> datetime | None:
    """Return the first deadline later than `after`; for one relative to each tick, that of `first_tick`."""
    if schedule.expect_by is not None:
        return _daily(schedule).next(after)
    if schedule.expect_within_s is not None and first_tick is not None:
        return first_tick + timedelta(seconds=schedule.expect_within_s)
    return None


class Window(NamedTuple):
    """A range of ticks."""

    start: datetime
    end: datetime


def watched(schedule: Schedule, deadline: datetime) -> Window | None:
    """Return the range of ticks, one of which must have succeeded by the deadline; None if it has no tick."""
    if schedule.expect_within_s is not None:
        tick = deadline - timedelta(seconds=schedule.expect_within_s)
        return Window(tick, deadline)
    earlier = [each for each in _daily(schedule).between(deadline - LONG_DAY, deadline) if each < deadline]
    end = deadline - timedelta(microseconds=1)  # a tick at that very time belongs to the next deadline
    first = next(schedule.draft.rule.between(earlier[-1] if earlier else deadline - timedelta(days=1), end), None)
    return None if first is None else Window(first, end)


def _daily(schedule: Schedule) -> Rule:
    hour, minute = (schedule.expect_by or "00:00").split(":")
    return Rule(cron=f"{int(minute)} {int(hour)} * * *", zone=schedule.zone)
