"""Time rules: which instants are ticks, and when each is due. Deterministic, so that all processes agree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from ...jobs.core.errors import InvalidArguments, JobsError
from ...sql.columns import EPOCH
from . import expressions, zones
from .expressions import Expression
from .zones import local, zone_of

SECOND = timedelta(seconds=1)
#: how far ahead a rule is searched; a tick beyond it counts as never
HORIZON = timedelta(days=50 * 366)
#: clock changes are smaller than this
WIDEST_CHANGE = timedelta(hours=26)
#: seconds; a longer interval is a typing error
LONGEST_INTERVAL_S = 10 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class Rule:
    """Exactly one of `cron`, `every_s` and `at`, within `starts_at` and `ends_at` (both inclusive).

    `jitter_s` delays when a tick is due, not the tick: by at most that much, derived from `salt` and the tick, and
    never past the next tick.
    """

    cron: str | None = None
    every_s: int | None = None
    at: datetime | None = None
    zone: str = "UTC"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    jitter_s: int = 0
    salt: str = ""

    def problems(self) -> dict[str, str]:
        """Return the problems of an invalid rule, by field."""
        found: dict[str, str] = {}
        given = [name for name, value in (("cron", self.cron), ("every", self.every_s), ("at", self.at)) if value is not None]
        if len(given) != 1:
            rules = "only one of a cron expression, an interval and a date" if given else "a cron expression, an interval or a date"
            found[given[0] if given else "cron"] = f"Enter {rules}."
        elif self.cron is not None:
            found |= _refusal(lambda: expressions.parse(self.cron or ""))
        found |= _refusal(lambda: zone_of(self.zone))
        if self.every_s is not None and not 1 <= self.every_s <= LONGEST_INTERVAL_S:
            found["every"] = "An interval has one second at least and ten years at most."
        for name in ("at", "starts_at", "ends_at"):
            instant: datetime | None = getattr(self, name)
            if instant is not None and (instant.tzinfo is None or not 1971 <= instant.year <= 9000):
                found[name] = "It must be an instant with its zone, in this era, e.g. 2030-01-01T09:00:00Z."
        if self.starts_at is not None and self.ends_at is not None and not found and self.ends_at < self.starts_at:
            found["ends_at"] = "The end lies before the start."
        if not 0 <= self.jitter_s <= 86_400:
            found["jitter"] = "The jitter lies between 0 seconds and a day."
        return found

    @property
    def problem(self) -> str | None:
        """Return why this host cannot compute its ticks, such as a time zone that an update of the system has removed."""
        return " ".join(self.problems().values()) or None

    def check(self) -> None:
        """Raise InvalidArguments naming each invalid field."""
        if found := self.problems():
            raise InvalidArguments("; ".join(f"{name}: {text}" for name, text in found.items()), errors=found)

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """Yield the ticks later than `after`, ascending, in UTC."""
        after = after.astimezone(UTC)
        if self.starts_at is not None and after < self.starts_at:
            after = self.starts_at - timedelta(microseconds=1)
        found = self._unbounded(after)
        if self.ends_at is None:
            return found
        last = self.ends_at
        return takewhile(lambda tick: tick <= last, found)

    @property
    def anchor(self) -> datetime:
        """Return the origin of an interval: its start, or else 1970, so that all schedulers agree."""
        return EPOCH if self.starts_at is None else self.starts_at.astimezone(UTC)

    def next(self, after: datetime) -> datetime | None:
        """Return the first tick later than `after`, or None."""
        return next(self.ticks(after), None)

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Return the ticks with start <= tick <= end."""
        return takewhile(lambda tick: tick <= end, self.ticks(start - timedelta(microseconds=1)))

    def due(self, tick: datetime) -> datetime:
        """Return when a tick fires: the tick plus its jitter."""
        if not self.jitter_s:
            return tick
        room = timedelta(seconds=self.jitter_s)
        following = self.next(tick)
        if following is not None:
            room = min(room, following - tick)
        digest = hashlib.sha256(f"{self.salt}\0{tick.isoformat()}".encode()).digest()
        return tick + room * (int.from_bytes(digest[:6]) / 2**48)

    def _unbounded(self, after: datetime) -> Iterator[datetime]:
        if self.at is not None:
            return iter([self.at.astimezone(UTC)] if self.at > after else [])
        if self.every_s is not None:
            return _multiples(after, self.anchor, self.every_s)
        assert self.cron is not None
        expression, zone = expressions.parse(self.cron), zone_of(self.zone)
        return _at_fixed_times(expression, zone, after) if expression.is_fixed else _along_the_clock(expression, zone, after)


def _multiples(after: datetime, anchor: datetime, every_s: int) -> Iterator[datetime]:
    step = timedelta(seconds=every_s)
    tick, end = anchor + ((after - anchor) // step + 1) * step, after + HORIZON
    while tick < end:
        yield tick
        tick += step


def _at_fixed_times(expression: Expression, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield each local time once: its first occurrence, or the first existing time after one that is skipped."""
    begin = local(zone, after)
    if zones.changes_between(zone, after - WIDEST_CHANGE, after):
        begin -= WIDEST_CHANGE  # an earlier local time may be a later instant: clocks went back
    last = after
    for naive in expression.after(begin):
        instant = zones.first_instant(zone, naive)
        if instant > last:
            last = instant
            yield instant


def _along_the_clock(expression: Expression, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield every minute whose local time matches: twice if the hour repeats, never if it is skipped."""
    for begin, end, offset in zones.spans(zone, after, after + HORIZON):
        first = (begin + offset).replace(tzinfo=None)
        # The first minute of a new span may itself be a tick; `after` must not be.
        for naive in expression.after(first if begin == after else first - SECOND):
            instant = naive.replace(tzinfo=UTC) - offset
            if instant >= end:
                break
            yield instant


def _refusal(check: Callable[[], object]) -> dict[str, str]:
    try:
        check()
    except JobsError as error:
        return {error.field or "cron": str(error)}
    return {}
