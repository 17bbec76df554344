"""Parsing and formatting of times and durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import overload
from zoneinfo import ZoneInfo

from ...formats.quantities import LONGEST, parse_units
from ...jobs.core.errors import JobsError
from ...schedules.rules.zones import zone_of
from ...settings import get_settings
from ...sql.clock import now

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
#: earliest time accepted
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
#: years after which no instant is accepted
LAST_YEAR = 9000


def parse_duration(value: str | float) -> timedelta:
    """Parse `90`, `"90"` (seconds), `"10m"` or `"1h30m"`; raises ValueError with the cure."""
    text = str(value).strip().lower()
    if isinstance(value, int | float) and value >= 0:  # includes numbers that Python prints as 1e-07
        seconds: float | None = float(value)
    else:
        seconds = float(text) if _NUMBER.fullmatch(text) else parse_units(text)
    if seconds is None:
        raise ValueError("Give a duration such as 90 (seconds), 10m, 1h30m or 2d.")
    if seconds > LONGEST.total_seconds():
        raise ValueError("This is more than a hundred years ahead.")
    return timedelta(seconds=seconds)


def parse_instant(text: str) -> datetime:
    """Parse ISO 8601 with time zone; times before 1970 become 1970. Raises ValueError with the cure."""
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("Give a time such as 2030-12-31T18:00:00Z.") from None
    if instant.tzinfo is None:
        raise ValueError("Give the time zone too, e.g. 2030-12-31T18:00:00Z.")
    if instant.year > LAST_YEAR:  # in some time zones the end of 9999 is in a year that Python does not have
        raise ValueError(f"Give a time up to the year {LAST_YEAR}.")
    try:
        # Clamp: arithmetic near year 1 overflows.
        return max(instant.astimezone(UTC), FIRST)
    except OverflowError:
        return FIRST


def future(instant: datetime) -> datetime:
    """Return a time that lies ahead; raises ValueError with the cure."""
    if instant <= now():
        raise ValueError("This is in the past: give a future time.")
    return instant


def zoned(text: str, zone: str = "") -> str:
    """Add the zone to a local time from a browser (empty: that of the settings). Raises JobsError with the cure.

    Other text is returned unchanged: the validation words the error.
    """
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    if instant.tzinfo is not None:
        return instant.isoformat()
    chosen = zone_of(zone or get_settings().timezone)
    instant = instant.replace(tzinfo=chosen)
    try:
        exists = instant.astimezone(UTC).astimezone(chosen).replace(tzinfo=None) == instant.replace(tzinfo=None)
    except OverflowError:
        return instant.isoformat()
    if not exists:
        raise JobsError(f"This time does not exist in {chosen.key}: the clocks go forward. Give another time.")
    return instant.isoformat()


def write_local(text: str, zone: str = "") -> str:
    """Convert ISO 8601 to a browser's local time in the zone (empty: that of the settings), to the millisecond.

    Text that a browser cannot show is returned unchanged.
    """
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            instant = instant.astimezone(ZoneInfo(zone or get_settings().timezone))
    except (ValueError, KeyError, OverflowError):  # KeyError: unknown zone name
        return text
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds" if instant.microsecond >= 1000 else "seconds")


def write_later(present: datetime, seconds: float) -> str:
    """Format a forecast instant; one more than a hundred years ahead is as good as never, and no clock reaches it."""
    return write_instant(present + timedelta(seconds=min(seconds, LONGEST.total_seconds())))


@overload
def write_instant(instant: datetime) -> str: ...
@overload
def write_instant(instant: datetime | None) -> str | None: ...
def write_instant(instant: datetime | None) -> str | None:
    """Format as ISO 8601 in UTC with Z."""
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
