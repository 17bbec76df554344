"""Time zones by name, and the instants at which their clocks change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ...jobs.core.errors import JobsError

#: distance between two probes of a zone's offset: no zone changes its clocks twice in less
PROBE = timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of clocks: the instant, and the offsets from UTC before and after."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def is_gap(self) -> bool:
        """True if clocks go forward, so that local times are skipped; otherwise they repeat."""
        return self.after > self.before

    @property
    def local_span(self) -> tuple[datetime, datetime]:
        """Return the naive local times, from and until, that are skipped or repeated."""
        moment = self.at.replace(tzinfo=None)
        low, high = sorted((moment + self.before, moment + self.after))
        return low, high


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of an IANA name; raises JobsError with the cure."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        close = [each for each in names() if name and each.rpartition("/")[2].lower() == name.lower().replace(" ", "_")]
        hint = f" Did you mean {close[0]}?" if close else ""
        raise JobsError(f"There is no time zone {name!r}; give an IANA name such as Europe/Berlin or UTC.{hint}", field="zone") from None


@cache
def names() -> tuple[str, ...]:
    """Return the names of all time zones, sorted; cached, because reading them opens six hundred files."""
    return tuple(sorted(available_timezones()))


def local(zone: ZoneInfo, instant: datetime) -> datetime:
    """Return the naive local time of an instant."""
    return instant.astimezone(zone).replace(tzinfo=None)


def first_instant(zone: ZoneInfo, naive: datetime) -> datetime:
    """Return the first instant (UTC) with this local time; for a skipped time, the first existing one after it."""
    instant = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if local(zone, instant) == naive:
        return instant
    # In a gap: with the offset from before, the instant lies as far past the change as the time lies in the gap.
    return max(change.at for change in changes_between(zone, instant - timedelta(days=1), instant))


def changes(zone: ZoneInfo, year: int) -> tuple[Change, ...]:
    """Return the clock changes in a UTC year."""
    return _changes(zone.key, year)


@lru_cache(maxsize=2048)
def _changes(name: str, year: int) -> tuple[Change, ...]:
    zone = ZoneInfo(name)
    moment, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    found, offset = [], _offset(zone, moment)
    while moment < end:
        ahead = min(moment + PROBE, end)
        next_offset = _offset(zone, ahead)
        if next_offset != offset:
            found.append(Change(_first_with(zone, next_offset, moment, ahead), offset, next_offset))
        moment, offset = ahead, next_offset
    return tuple(found)


def changes_between(zone: ZoneInfo, start: datetime, end: datetime) -> list[Change]:
    """Return the changes with start < at <= end."""
    found = (change for year in range(start.astimezone(UTC).year, end.astimezone(UTC).year + 1) for change in changes(zone, year))
    return [change for change in found if start < change.at <= end]


def spans(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Return the spans of constant offset between two instants (UTC): from, until, offset."""
    begin, offset = start, _offset(zone, start)
    for year in range(start.year, end.year + 1):
        for change in changes(zone, year):
            if start < change.at < end:
                yield begin, change.at, offset
                begin, offset = change.at, change.after
    yield begin, end, offset


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def _first_with(zone: ZoneInfo, offset: timedelta, low: datetime, high: datetime) -> datetime:
    """Return the first whole second in (low, high] with this offset (binary search)."""
    while high - low > SECOND:
        middle = low + timedelta(seconds=(high - low) // SECOND // 2)
        low, high = (low, middle) if _offset(zone, middle) == offset else (middle, high)
    return high
