"""Counts of ticks by day: half a million ticks, a year of every minute, are too many to list while a row is locked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from . import expressions, zones
from .rules import WIDEST_CHANGE, Rule
from .zones import local, zone_of

INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)


def by_day(rule: Rule, start: datetime, end: datetime) -> Iterator[tuple[datetime, int]]:
    """Yield the ticks with start <= tick <= end as successive stretches of at most a day: its begin, its number of ticks."""
    begin = start if rule.starts_at is None else max(start, rule.starts_at)
    stop = (end if rule.ends_at is None else min(end, rule.ends_at)) + INSTANT
    while begin < stop:
        following = min(begin + DAY if rule.cron is None else _midnight(zone_of(rule.zone), begin), stop)
        yield begin, _number(rule, begin, following)
        begin = following


def _midnight(zone: ZoneInfo, instant: datetime) -> datetime:
    """Return the begin of the next local day."""
    return zones.first_instant(zone, datetime.combine(local(zone, instant).date() + DAY, time()))


def _number(rule: Rule, begin: datetime, following: datetime) -> int:
    """Count the ticks with begin <= tick < following."""
    if rule.every_s is not None:
        step = timedelta(seconds=rule.every_s)
        return (rule.anchor - begin) // step - (rule.anchor - following) // step
    if rule.cron is not None and _is_plain_day(zone_of(rule.zone), begin, following):
        return expressions.parse(rule.cron).number_on(local(zone_of(rule.zone), begin).date())
    return sum(1 for _ in rule.between(begin, following - INSTANT))


def _is_plain_day(zone: ZoneInfo, begin: datetime, following: datetime) -> bool:
    """True for a whole local day with no clock change in it or near it."""
    is_whole = local(zone, begin).time() == local(zone, following).time() == time()
    return is_whole and not zones.changes_between(zone, begin - WIDEST_CHANGE, following + WIDEST_CHANGE)
