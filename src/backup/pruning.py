"""Backup rotation: all of the last day, the newest of each of the last 7 days, and the newest of each of the last 5 weeks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

ALL_OF = timedelta(hours=24)
DAYS = 7
WEEKS = 5


def kept(instants: Sequence[datetime]) -> set[datetime]:
    """Return the instants whose backups are kept, relative to the newest one, so that a wrong clock deletes nothing.

    Days and weeks are in UTC, and only those with a backup count: a week's pause costs no history.
    """
    if not instants:
        return set()
    newest_first = sorted(instants, reverse=True)
    stay = {instant for instant in newest_first if newest_first[0] - instant < ALL_OF}
    stay |= _newest_of_each(newest_first, lambda instant: instant.date(), DAYS)
    return stay | _newest_of_each(newest_first, lambda instant: instant.isocalendar()[:2], WEEKS)


def _newest_of_each(newest_first: Sequence[datetime], period: Callable[[datetime], object], count: int) -> set[datetime]:
    first: dict[object, datetime] = {}
    for instant in newest_first:
        if period(instant) not in first and len(first) < count:
            first[period(instant)] = instant
    return set(first.values())
