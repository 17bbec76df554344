"""Preview of a rule, computed by the engine that fires it: description, next ticks, clock changes, calendar, load."""

from __future__ import annotations

import calendar as calendars
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile

from ...formats.quantities import counted
from . import expressions, zones
from .expressions import Expression
from .rules import SECOND, Rule
from .zones import Change, local, zone_of

HOUR = timedelta(hours=1)
#: how far ahead clock changes are announced: both of the next year
ANNOUNCED_AHEAD = timedelta(days=400)
#: most ticks counted for a calendar; a rule with more is only described
MOST_COUNTED = 3_000
#: times listed individually for one change
MOST_NAMED = 3
_UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A future tick: the instant, the local time in its zone (naive), and when it fires with its jitter."""

    tick: datetime
    local: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the calendar with its number of ticks; `times` are those of the first few."""

    date: date
    ticks: int
    times: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Month:
    """A month as weeks from Monday to Sunday; None: a day of another month."""

    title: str
    weeks: tuple[tuple[Day | None, ...], ...]


def words(rule: Rule) -> str:
    """Describe the rule in English, or why it cannot be computed here."""
    if (problem := rule.problem) is not None:
        return problem
    bounded = rule.starts_at is not None or rule.ends_at is not None
    zone = f" ({rule.zone})"
    if rule.cron is not None:
        said = expressions.parse(rule.cron).words
    elif rule.every_s is not None:
        length = _period(rule.every_s)
        said = f"Every {length.removeprefix('1 ') if length.count(' ') == 1 else length}{_since_1970(rule)}"
    else:
        assert rule.at is not None
        said = f"Once, on {_moment(rule, rule.at)}"
    parts = [said if rule.every_s is not None else said + zone]
    if rule.starts_at is not None:
        parts.append(f"from {_moment(rule, rule.starts_at)}")
    if rule.ends_at is not None:
        parts.append(f"until {_moment(rule, rule.ends_at)}")
    if rule.every_s is not None and bounded:
        parts[-1] += zone
    if rule.jitter_s:
        parts.append(f"each delayed by up to {_period(rule.jitter_s)}")
    return ", ".join(parts)


def _since_1970(rule: Rule) -> str:
    """The day and time of an interval of whole days that has no start."""
    if rule.starts_at is not None or rule.every_s is None or rule.every_s % 86_400:
        return ""
    return f"{f' on {rule.anchor:%A}' if rule.every_s % 604_800 == 0 else ''} at 00:00 UTC"


def _period(seconds: int) -> str:
    """Format `90` as "1 minute 30 seconds"."""
    if seconds == 0:
        return "0 seconds"
    parts, rest = [], seconds
    for unit, length in _UNITS:
        number, rest = divmod(rest, length)
        if number:
            parts.append(counted(number, unit))
    return " ".join(parts)


def upcoming(rule: Rule, after: datetime, number: int) -> list[Upcoming]:
    """Return the next ticks; none of a rule that cannot be computed here."""
    if rule.problem is not None:
        return []
    zone = zone_of(rule.zone)
    return [Upcoming(tick, local(zone, tick), rule.due(tick)) for tick in islice(rule.ticks(after), number)]


def notes(rule: Rule, after: datetime) -> list[str]:
    """Describe the effect of next year's clock changes on the rule, a sentence each."""
    if rule.problem is not None:
        return []
    if rule.cron is None:
        return _shifts(rule, after)
    zone, expression = zone_of(rule.zone), expressions.parse(rule.cron)
    last = after + ANNOUNCED_AHEAD if rule.ends_at is None else min(rule.ends_at, after + ANNOUNCED_AHEAD)
    found = []
    for change in zones.changes_between(zone, max(after, rule.starts_at or after), last):
        begin, end = change.local_span
        times = list(takewhile(lambda naive, end=end: naive < end, expression.after(begin - SECOND)))  # type: ignore[misc]
        if times:
            found.append(_note(rule, expression, change, times))
    return found


def _shifts(rule: Rule, after: datetime) -> list[str]:
    """Describe the next clock change that moves the local time of an interval of whole days."""
    if rule.every_s is None or rule.every_s % 86_400:
        return []
    zone = zone_of(rule.zone)
    for change in zones.changes_between(zone, max(after, rule.starts_at or after), after + ANNOUNCED_AHEAD):
        later = rule.next(change.at)
        if later is None:
            return []
        before, then = (local(zone, tick) for tick in (later - timedelta(seconds=rule.every_s), later))
        if before.time() != then.time():
            day = f"{change.local_span[0].day} {change.local_span[0]:%B %Y}"
            moved = f"after the change on {day} it runs at {then:%H:%M} instead of {before:%H:%M}"
            return [f"An interval counts hours, not days: {moved}. Cron keeps the time of day."]
    return []


def calendar(rule: Rule, after: datetime, months: int = 2) -> list[Month]:
    """Return this month and the next ones in the rule's zone, with the ticks after `after`; empty if there are too many ticks."""
    if rule.problem is not None:
        return []
    zone = zone_of(rule.zone)
    first = local(zone, after).date().replace(day=1)
    firsts = [_later(first, number) for number in range(months + 1)]
    end = datetime.combine(firsts[-1], datetime.min.time(), tzinfo=zone)
    ticks = list(islice(takewhile(lambda tick: tick < end, rule.ticks(after)), MOST_COUNTED + 1))
    if len(ticks) > MOST_COUNTED:
        return []
    days: dict[date, list[str]] = {}
    for tick in ticks:
        shown = local(zone, tick)
        days.setdefault(shown.date(), []).append(f"{shown:%H:%M}" if shown.second == 0 else f"{shown:%H:%M:%S}")
    return [_month(each, days) for each in firsts[:-1]]


def load(rules: Iterable[Rule], start: datetime, hours: int = 168) -> list[int]:
    """Return the number of ticks of all these rules in each hour from `start` (a whole hour)."""
    total = [0] * hours
    for rule in rules:
        if rule.problem is not None:
            continue
        for hour, number in enumerate(_per_hour(replace(rule, salt="", jitter_s=0), start, hours)):
            total[hour] += number
    return total


@lru_cache(maxsize=1024)
def _per_hour(rule: Rule, start: datetime, hours: int) -> Sequence[int]:
    if rule.every_s is not None and rule.every_s < 3_600:
        return _interval_per_hour(rule, start, hours)
    counted = [0] * hours
    for tick in rule.between(start, start + hours * HOUR - SECOND / 1_000_000):
        counted[(tick - start) // HOUR] += 1
    return counted


def _interval_per_hour(rule: Rule, start: datetime, hours: int) -> Sequence[int]:
    """Computed, not enumerated: a rule of one second ticks 600,000 times a week."""
    assert rule.every_s is not None
    begin = rule.starts_at or start
    end = rule.ends_at or start + hours * HOUR

    def ticks_before(instant: datetime) -> int:
        return -((rule.anchor - instant) // timedelta(seconds=rule.every_s or 1))

    counted = []
    for number in range(hours):
        low, high = max(start + number * HOUR, begin), min(start + (number + 1) * HOUR, end + SECOND / 1_000_000)
        counted.append(max(0, ticks_before(high) - ticks_before(low)))
    return counted


def _note(rule: Rule, expression: Expression, change: Change, times: Sequence[datetime]) -> str:
    begin, end = change.local_span
    day = f"{begin.day} {begin:%B %Y}"
    named = ", ".join(f"{time:%H:%M}" for time in times[:MOST_NAMED])
    if len(times) > MOST_NAMED:
        named += f" and {len(times) - MOST_NAMED} more"
    one = len(times) == 1
    span = f"{begin:%H:%M} to {end:%H:%M}"
    if change.is_gap and expression.is_fixed:
        there = local(zone_of(rule.zone), change.at)
        return f"{named} {'does' if one else 'do'} not exist on {day}: runs {'' if one else 'once '}at {there:%H:%M}."
    if change.is_gap:
        return f"{span} does not exist on {day}: nothing runs in it."
    if expression.is_fixed:
        return f"{named} {'comes' if one else 'come'} twice on {day}: {'' if one else 'each '}runs once, not twice."
    return f"{span} comes twice on {day}: runs both times."


def _month(first: date, days: dict[date, list[str]]) -> Month:
    weeks = calendars.Calendar().monthdatescalendar(first.year, first.month)
    return Month(
        f"{first:%B %Y}",
        tuple(
            tuple(
                Day(each, len(days.get(each, ())), tuple(days.get(each, ())[:MOST_NAMED])) if each.month == first.month else None
                for each in week
            )
            for week in weeks
        ),
    )


def _later(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


def _moment(rule: Rule, instant: datetime) -> str:
    shown = local(zone_of(rule.zone), instant)
    return f"{shown.day} {shown:%B %Y} at {shown:%H:%M}{f':{shown:%S}' if shown.second else ''}"
