"""Instants and durations as people and programs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*[smhdw]\s*)+")
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
#: about a hundred years: what lies further ahead is a slip of the keyboard
_LONGEST = timedelta(days=36_525)


def parse_duration(value: str | float) -> timedelta:
    """The duration of `90`, `"90"` (seconds), `"10m"` or `"1h30m"`; raises ValueError with the cure."""
    text = str(value).strip().lower()
    if _NUMBER.fullmatch(text):
        seconds = float(text)
    elif _DURATION.fullmatch(text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        raise ValueError("Give a duration such as 90 (seconds), 10m, 1h30m or 2d.")
    if seconds > _LONGEST.total_seconds():
        raise ValueError("That is more than a hundred years ahead.")
    return timedelta(seconds=seconds)


def write_duration(seconds: int) -> str:
    """The shortest text that `parse_duration` reads as so many seconds: `90` is "1m30s"."""
    parts, rest = [], seconds
    for unit, length in sorted(_UNITS.items(), key=lambda each: -each[1]):
        number, rest = divmod(rest, length)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def parse_instant(text: str) -> datetime:
    """The instant of an ISO 8601 text with its zone; raises ValueError with the cure."""
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("Give an instant such as 2030-12-31T18:00:00Z.") from None
    if instant.tzinfo is None:
        raise ValueError("Give the zone too, e.g. 2030-12-31T18:00:00Z.")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("Give an instant between the years 1 and 9999.") from None


def write_instant(instant: datetime | None) -> str | None:
    """ISO 8601 in UTC, with Z."""
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
