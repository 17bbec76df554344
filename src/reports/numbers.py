"""Formatting of numbers, durations and shares in reports."""

from __future__ import annotations

from datetime import timedelta

from ..formats.quantities import NARROW_SPACE, number, span
from .document import Cell


def count(value: float) -> str:
    """Format a number with thousands separators."""
    return number(value, decimals=0 if float(value).is_integer() else 1)


def exact(value: float) -> str:
    """Format a number with thousands separators and with the digits that it has."""
    # Fewer digits than a float has: 0.1 + 0.2 is written 0.3.
    form = "," if isinstance(value, int) else f",.{10 if abs(value) < 1e10 else 15}g"
    return f"{value:{form}}".replace(",", NARROW_SPACE)


def duration(value: timedelta | float | None) -> str:
    """Format a duration (a number is seconds), or its absence."""
    return "–" if value is None else span(value)


def share(part: float, whole: float) -> str:
    """Format a share in percent: never 100 % while anything is missing, never 0 % if there is anything."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if part < whole and percent > 99.9:
        return "> 99.9 %"
    if part > 0 and percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.1f} %" if percent not in (0, 100) else f"{percent:.0f} %"


def change(now: float, before: float) -> str:
    """Describe how a number compares with the previous one."""
    if now == before:
        return "as before"
    if not before:
        return f"before: {count(before)}"
    percent = 100 * (now - before) / before
    return f"{'+' if percent > 0 else '−'}{abs(percent):.0f} %"


def cell(value: Cell) -> str:
    """Format a table cell."""
    if value is None:
        return "–"
    return exact(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
