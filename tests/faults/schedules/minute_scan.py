"""Brute-force reference: checks every minute, computes nothing ahead. Shares no code with src/schedules.

The documented rule: fixed times (neither the minute nor the hour begins with a star) run once per local time, and a
skipped one at the first minute after the change; all others run at each minute whose local time matches.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
_DAYS = {name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr)}
_NICKNAMES = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
              "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"}  # fmt: skip


def ticks(expression: str, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """Every tick with start <= tick < end, whole minutes in UTC."""
    expression = _NICKNAMES.get(expression, expression)
    minute, hour, *_ = expression.split()
    fits = _fits(expression)
    found: set[datetime] = set()
    if minute.startswith("*") or hour.startswith("*"):
        moment = start
        while moment < end:
            if fits(_wall(moment, zone)):
                found.add(moment)
            moment += MINUTE
        return sorted(found)
    for wall, moment in _shown(zone, start, end):
        if start <= moment < end and fits(wall):
            found.add(moment)
    return sorted(found)


@cache
def _shown(zone: ZoneInfo, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The wall clock from a day before to a day after, each of its minutes once, with the instant at which it is first shown.

    A minute that no clock ever shows has the instant of the next one that a clock shows.
    """
    first_shown: dict[datetime, datetime] = {}
    moment = start - timedelta(days=1)
    while moment < end + timedelta(days=1):
        first_shown.setdefault(_wall(moment, zone), moment)
        moment += MINUTE
    at, last, shown = min(first_shown), max(first_shown), []
    while at <= last:
        there = at
        while there not in first_shown:
            there += MINUTE
        shown.append((at, first_shown[there]))
        at += MINUTE
    return shown


@cache
def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


@cache
def _fits(expression: str) -> Callable[[datetime], bool]:
    minute, hour, day, month, weekday = (_field(*each) for each in zip(
        expression.lower().split(), ((0, 59, {}), (0, 23, {}), (1, 31, {}), (1, 12, _MONTHS), (0, 7, _DAYS)), strict=True))  # fmt: skip
    starred = any(text.startswith("*") for text in expression.split()[2::2])

    def fits(wall: datetime) -> bool:
        if not (minute(wall.minute, wall) and hour(wall.hour, wall) and month(wall.month, wall)):
            return False
        sunday_first = wall.isoweekday() % 7
        by_day, by_weekday = day(wall.day, wall), weekday(sunday_first, wall) or (sunday_first == 0 and weekday(7, wall))
        return (by_day and by_weekday) if starred else (by_day or by_weekday)

    return fits


Test = Callable[[int, datetime], bool]


def _field(text: str, bounds: tuple[int, int, dict[str, int]]) -> Test:
    tests = [_term(term, *bounds) for term in text.split(",")]
    return tests[0] if len(tests) == 1 else lambda value, wall: any(test(value, wall) for test in tests)


def _term(term: str, low: int, high: int, names: dict[str, int]) -> Test:
    if term in ("l", "lw") and high == 31:
        return (lambda value, wall: value == _length(wall)) if term == "l" else (lambda value, wall: value == _last_working_day(wall))
    if high == 7 and "#" in term:
        name, nth = term.split("#")
        return lambda value, wall: value == _number(name, names) % 7 and (wall.day - 1) // 7 + 1 == int(nth)
    if high == 7 and term.endswith("l"):
        return lambda value, wall: value == _number(term[:-1], names) % 7 and wall.day + 7 > _length(wall)
    span, _, step = term.partition("/")
    first, dash, last = span.partition("-")
    if span == "*":
        begin, end = low, high
    elif dash:
        begin, end = _number(first, names), _number(last, names)
    else:
        begin, end = _number(first, names), high if step else _number(first, names)
    # Walk from the one to the other, over the end of the field where the range wraps.
    if high == 7 and begin > end:
        begin %= 7
    reached, walked = begin, []
    while True:
        walked.append(reached)
        if reached == end:
            break
        reached = low if reached == (6 if high == 7 and begin > end else high) else reached + 1
    chosen = set(walked[:: int(step or 1)])
    return lambda value, wall: value in chosen


def _number(text: str, names: dict[str, int]) -> int:
    return names[text[:3]] if text[:3] in names else int(text)


def _length(wall: datetime) -> int:
    return calendar.monthrange(wall.year, wall.month)[1]


def _last_working_day(wall: datetime) -> int:
    return max(day for day in range(1, _length(wall) + 1) if calendar.weekday(wall.year, wall.month, day) < 5)


def instant(*parts: int) -> datetime:
    """A UTC instant."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]
