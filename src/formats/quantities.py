"""Quantities as people read and write them: numbers with separators, and durations."""

from __future__ import annotations

import re
from datetime import timedelta

#: between thousands in pages and reports
NARROW_SPACE = "\u202f"
#: about a hundred years: a longer duration is a typing error
LONGEST = timedelta(days=36_525)

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:ms|[smhdw])\s*)+")
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])")


def number(value: float, *, decimals: int = 0, separator: str = NARROW_SPACE) -> str:
    """Format a number with thousands separators."""
    return f"{value:,.{decimals}f}".replace(",", separator)


def counted(value: float, noun: str, many: str = "", *, separator: str = NARROW_SPACE) -> str:
    """Format a number with its noun: "1 job", "2 jobs", "0.5 days". `many`: the plural, unless it is the noun with an s."""
    amount = number(value, separator=separator) if value == int(value) else f"{value:g}"
    return f"{amount} {noun if value == 1 else many or f'{noun}s'}"


def span(value: timedelta | float) -> str:
    """Format a duration (a number is seconds) in at most two units, rounded to the smaller one."""
    seconds = max(value.total_seconds() if isinstance(value, timedelta) else value, 0)
    # Rounded before the unit is chosen: 59.96 seconds are a minute, not 60.0 s.
    if (milliseconds := round(seconds * 1000)) < 1000:
        return f"{milliseconds} ms"
    if (tenths := round(seconds * 10)) < 600:
        return f"{tenths / 10:g} s"
    if (whole := round(seconds)) < 3_600:
        return _two_units(whole, "min", "s", 60)
    if (minutes := round(seconds / 60)) < 1_440:
        return _two_units(minutes, "h", "min", 60)
    return _two_units(round(seconds / 3_600), "d", "h", 24)


def rate(per_s: float) -> str:
    """Format a rate, per second, minute or hour."""
    if not per_s:
        return "0/s"
    if per_s >= 1:
        return f"{number(per_s)}/s" if per_s >= 10 else f"{per_s:.1f}/s"
    return f"{per_s * 60:.1f}/min" if per_s * 60 >= 1 else f"{per_s * 3600:.1f}/h"


def _two_units(amount: int, unit: str, smaller: str, size: int) -> str:
    whole, rest = divmod(amount, size)
    return f"{whole} {unit} {rest} {smaller}" if rest else f"{whole} {unit}"


def parse_units(text: str) -> float | None:
    """Return the seconds of a duration with units, such as `1h30m` or `250ms`; None for any other text."""
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text))


def spell_units(text: str) -> str:
    """Return such a duration as pages write it: `1h30m` is "1 h 30 min"; any other text stays as it is."""
    if not _DURATION.fullmatch(text):
        return text
    return " ".join(f"{amount} {'min' if unit == 'm' else unit}" for amount, unit in _PART.findall(text))


def write_units(seconds: int) -> str:
    """Return the shortest text that `parse_units` reads: 90 seconds are "1m30s"."""
    parts, rest = [], seconds
    for unit in "wdhms":
        amount, rest = divmod(rest, int(_UNITS[unit]))
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"
