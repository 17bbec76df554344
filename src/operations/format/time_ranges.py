"""Time ranges of pages and the API: `range=24h`, or `from=…&until=…`, with the length of a chart's column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ...jobs.core.errors import JobsError
from .instants import parse_instant, write_instant, zoned

_MINUTE = timedelta(minutes=1)
#: named ranges, with the length of a chart's column
RANGES = {
    "15m": (15 * _MINUTE, _MINUTE),
    "1h": (60 * _MINUTE, 2 * _MINUTE),
    "6h": (timedelta(hours=6), 10 * _MINUTE),
    "24h": (timedelta(hours=24), 30 * _MINUTE),
    "7d": (timedelta(days=7), timedelta(hours=4)),
    "30d": (timedelta(days=30), timedelta(days=1)),
}
DEFAULT = "1h"
#: lengths of a column of other ranges, in minutes
_STEPS = (1, 2, 5, 10, 30, 60, 120, 240, 1_440, 10_080)
#: columns of a chart at most
COLUMNS = 62
#: length of the shortest column, in minutes, by the age up to which statistics are kept for it
_LEAST = {1: timedelta(days=2), 10: timedelta(days=10), 60: timedelta(days=100)}
#: the longest range: statistics are kept so long
LONGEST = timedelta(days=400)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A range of time. `parameters`: those of the URL; empty: the default range, which no one has chosen."""

    since: datetime
    until: datetime
    step: timedelta
    label: str
    parameters: dict[str, str] = field(default_factory=dict)
    name: str = ""  # of a named range

    @property
    def is_chosen(self) -> bool:
        """True if the URL gives a valid range: lists show everything without one."""
        return bool(self.parameters)

    @property
    def in_query(self) -> str:
        """The range as a value of `created:` and `finished:` in a query of jobs."""
        return self.name or f"{write_instant(self.since)}..{write_instant(self.until)}"

    @property
    def first(self) -> datetime:
        """Begin of the first column."""
        return self.since - (self.since - _EPOCH) % self.step

    @property
    def last(self) -> datetime:
        """End of the last column."""
        return self.until + (_EPOCH - self.until) % self.step

    @property
    def columns(self) -> list[datetime]:
        """The begin of each column."""
        first = self.first
        return [first + number * self.step for number in range((self.last - first) // self.step)]


def parse(parameters: Mapping[str, str], present: datetime, zone: str, default: str = DEFAULT) -> TimeRange:
    """Return the range of these URL parameters, or the default one; `zone`: of times without one. Raises JobsError with the cure."""
    name, begin, end = (parameters.get(key, "").strip() for key in ("range", "from", "until"))
    if begin or end:
        return _between(begin, end, present, zone)
    if not name:
        return _named(default, present, {})
    if name not in RANGES:
        raise JobsError(f"Unknown range {name}. Choose one of {', '.join(RANGES)}, or give from and until.", field="range")
    return _named(name, present, {"range": name})


def _named(name: str, present: datetime, parameters: dict[str, str]) -> TimeRange:
    length, step = RANGES[name]
    return TimeRange(present - length, present, step, _label(name), parameters, name)


def _label(name: str) -> str:
    """Name a range in words: last hour, last 30 days."""
    number, unit = int(name[:-1]), {"m": "minute", "h": "hour", "d": "day"}[name[-1]]
    return f"last {unit}" if number == 1 else f"last {number} {unit}s"


def _between(begin: str, end: str, present: datetime, zone: str) -> TimeRange:
    if not begin:
        raise JobsError("Give the start of the range, too: from=2030-12-31T18:00.", field="from")
    since, until = _instant(begin, zone, "from"), _instant(end, zone, "until") if end else present
    if since >= until:
        raise JobsError("The range is empty: `from` must be before `until`.", field="from")
    if until - since > LONGEST:
        raise JobsError(f"The range is too long: at most {LONGEST.days} days.", field="from")
    local = [each.astimezone(ZoneInfo(zone)) for each in (since, until)]
    form = "%d %b %H:%M" if local[0].year == local[1].year == present.year else "%d %b %Y %H:%M"
    parameters = {"from": write_instant(since)} | ({"until": write_instant(until)} if end else {})
    return TimeRange(since, until, _step(since, until, present), " – ".join(f"{each:{form}}" for each in local), parameters)


def _instant(text: str, zone: str, name: str) -> datetime:
    try:
        return parse_instant(zoned(text, zone))
    except ValueError:
        raise JobsError(f"`{name}` must be a time such as 2030-12-31T18:00, not {text[:40]!r}.", field=name) from None


def _step(since: datetime, until: datetime, present: datetime) -> timedelta:
    least = next((each for each, kept in _LEAST.items() if present - since < kept - timedelta(hours=1)), 1_440)
    return next(
        (each * _MINUTE for each in _STEPS if each >= least and (until - since) / (each * _MINUTE) <= COLUMNS - 2), _STEPS[-1] * _MINUTE
    )
