"""Formatting of numbers, durations and shares in reports."""

from __future__ import annotations

from datetime import timedelta

from .document import Cell


def count(value: float) -> str:
    """Format a number with thousands separators."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.1f}".replace(",", "\u202f")
    return f"{int(value):,}".replace(",", "\u202f")


def duration(value: timedelta | float | None) -> str:
    """Format a duration (a number is seconds) in one or two units."""
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 60:
        return f"{int(minutes)} min {int(seconds % 60)} s"
    return f"{int(hours)} h {int(minutes % 60)} min" if hours < 48 else f"{hours / 24:.1f} d"


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
    return count(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
