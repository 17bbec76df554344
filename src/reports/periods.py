"""Periods of reports in the console's time zone. All instants are in UTC: a day may have 23 or 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ..settings import get_settings


def zone() -> ZoneInfo:
    """Return the console's time zone."""
    return ZoneInfo(get_settings().timezone)


def day(value: date) -> tuple[datetime, datetime]:
    """Return the day from midnight to midnight."""
    begin, end = (datetime.combine(each, time(), zone()).astimezone(UTC) for each in (value, value + timedelta(days=1)))
    return begin, end


def before(since: datetime, until: datetime) -> datetime:
    """Return the begin of the period before, as long by the clock on the wall: a day of 25 hours is compared with the day before."""
    begin, end = since.astimezone(zone()), until.astimezone(zone())
    return (begin - (end - begin)).astimezone(UTC)


def local(value: datetime) -> str:
    """Format an instant in the zone."""
    return f"{value.astimezone(zone()):%d %b %Y %H:%M}"
