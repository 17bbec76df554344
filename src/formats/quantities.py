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


def span(value: timedelta | float) -> str:
    """Format a duration (a number is seconds) in at most two units."""
    seconds = max(value.total_seconds() if isinstance(value, timedelta) else value, 0)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60} min" if whole < 86_400 else f"{whole // 86_400} d {whole % 86_400 // 3_600} h"


def parse_units(text: str) -> float | None:
    """Return the seconds of a duration with units, such as `1h30m` or `250ms`; None for any other text."""
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text))


def write_units(seconds: int) -> str:
    """Return the shortest text that `parse_units` reads: 90 seconds are "1m30s"."""
    parts, rest = [], seconds
    for unit in "wdhms":
        amount, rest = divmod(rest, int(_UNITS[unit]))
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"
