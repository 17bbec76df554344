"""Helpers for dates and durations with Celery's names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from ..base.modules import absent

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def is_naive(dt: datetime) -> bool:
    """True if the datetime has no time zone."""
    return dt.utcoffset() is None


def make_aware(dt: datetime, tz: tzinfo) -> datetime:
    """Return the clock time in this zone; of one that happens twice the first."""
    return dt.replace(tzinfo=tz)


def localize(dt: datetime, tz: tzinfo) -> datetime:
    """Return the same instant in another zone; a clock time without a zone gets this one."""
    return make_aware(dt, tz) if is_naive(dt) else dt.astimezone(tz)


def to_utc(dt: datetime) -> datetime:
    """Return the clock time as one of UTC."""
    return make_aware(dt, UTC)


def maybe_make_aware(dt: datetime, tz: tzinfo | None = None, naive_as_utc: bool = True) -> datetime:
    """Return a clock time without a zone as an instant in `tz`, read as UTC or as one of `tz`; others stay."""
    if not is_naive(dt):
        return dt
    return localize(to_utc(dt) if naive_as_utc else dt, tz or UTC)


def maybe_iso8601(dt: datetime | str | None) -> datetime | None:
    """Read a text in ISO 8601; a datetime stays."""
    if not dt:
        return None
    return dt if isinstance(dt, datetime) else datetime.fromisoformat(dt)


def maybe_timedelta(delta: Any) -> Any:
    """Return a number of seconds as a timedelta; other values stay."""
    return timedelta(seconds=delta) if isinstance(delta, int | float) else delta


def rate(text: Any) -> float:
    """Return how often per second a rate such as "100/m" allows; 0 for none."""
    if not isinstance(text, str):
        return text or 0
    number, _, unit = text.partition("/")
    return float(number) / _SECONDS[unit or "s"] if number else 0


__getattr__ = absent(__name__)
