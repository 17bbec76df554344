"""Cron and time zones against a scan of every minute, written independently of the engine."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest

from src.schedules.rules import zones
from src.schedules.rules.rules import Rule
from tests.faults.schedules import minute_scan

#: every kind of change there is: by an hour, by two, by half of one; at midnight, before it, at 02:00 and 03:00; once a year in
#: Ramadan; and zones that never change
ZONES = re.findall(
    r"\S+",
    """
    Europe/Berlin Europe/London Europe/Dublin Europe/Lisbon Atlantic/Azores America/New_York America/Los_Angeles America/St_Johns
    America/Santiago America/Havana America/Asuncion America/Nuuk Africa/Cairo Africa/Casablanca Asia/Beirut Asia/Gaza Asia/Jerusalem
    Australia/Lord_Howe Australia/Sydney Pacific/Auckland Pacific/Chatham Pacific/Norfolk Antarctica/Troll Asia/Kolkata
    """,
)
EXPRESSIONS = """
    * * * * *|*/5 * * * *|*/7 * * * *|0 * * * *|15 * * * *|59 * * * *|*/30 2 * * *|*/20 0 * * *|*/10 3 * * *|* 1 * * *|0,30 * * * 0
    0 */2 * * *|30 */3 * * *|*/15 */4 * * *|7-23/4 * * * *|5/15 * * * *|50-10 * * * *|*/30 22-2 * * *|*/30 * * * sun|*/30 0 * * sun
    0 0 * * *|30 0 * * *|59 23 * * *|0 1 * * *|30 1 * * *|0 2 * * *|15 2 * * *|30 2 * * *|45 2 * * *|0 3 * * *|30 3 * * *|0 12 * * *
    0,30 0-23 * * *|0,20,40 1-3 * * *|0 0-6 * * *|30 22-2 * * *|15 23-1/2 * * *|0 2 * * 0|0 2 * * 7|30 2 * * sun|30 2 * * fri-sun
    30 2 * * sat-mon|0 0 * * 6-0|0 6 * * mon-fri|30 1 29 * *|30 2 29 3 *|0 0 1 * *|0 0 13 * fri|15 2 */2 * 0|15 2 1-7 * sun|30 1 * mar,oct *
    30 2 * sep-apr sun|0 2 * * sunl|30 2 * * sun#1|0 3 * * sun#5|30 23 l * *|0 0 lw * *|@hourly|@daily|@weekly
""".replace("\n", "|").split("|")
EXPRESSIONS = [each.strip() for each in EXPRESSIONS if each.strip()]
YEARS = range(2026, 2029)
AROUND = timedelta(hours=30)


def changes(zone: str) -> list[datetime]:
    """Every change of clocks in these years, or some instant where there is none."""
    found = [change.at for year in YEARS for change in zones.changes(ZoneInfo(zone), year)]
    return found or [datetime(2026, 3, 29, 1, tzinfo=UTC)]


def computed(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    ticks = Rule(cron=expression, zone=zone).ticks(start - timedelta(microseconds=1))
    return list(takewhile(lambda tick: tick < end, ticks))


def differences(zone: str, expressions: list[str], moments: list[datetime]) -> list[str]:
    told = []
    for at in moments:
        start = (at - AROUND).replace(minute=0)
        for expression in expressions:
            end = start + 2 * AROUND
            ours, scanned = computed(expression, zone, start, end), minute_scan.ticks(expression, ZoneInfo(zone), start, end)
            if ours != scanned:
                told.append(f"{expression!r} in {zone} at {at}: {sorted(set(ours) ^ set(scanned))[:4]}")
    return told


def test_there_are_as_many_zones_and_expressions_as_promised() -> None:
    assert (len(set(ZONES)), len(set(EXPRESSIONS))) == (24, 60)


@pytest.mark.long
def test_the_scan_finds_the_same_changes_as_a_look_at_every_minute() -> None:
    zone, moment, found = ZoneInfo("Australia/Lord_Howe"), datetime(2026, 1, 1, tzinfo=UTC), []
    before = moment.astimezone(zone).utcoffset()
    while moment.year == 2026:
        if (offset := moment.astimezone(zone).utcoffset()) != before:
            found.append(moment)
        before = offset
        moment += timedelta(minutes=1)

    assert [change.at for change in zones.changes(zone, 2026)] == found
    assert len(found) == 2


@pytest.mark.parametrize(
    ("number", "zone"), [*enumerate(["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Antarctica/Troll"])], ids=str
)
def test_ticks_around_a_change_of_clocks_are_those_of_a_minute_scan(number: int, zone: str) -> None:
    assert differences(zone, EXPRESSIONS[number % 2 :: 2], changes(zone)[:2]) == []


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
def test_ticks_around_every_change_of_three_years_are_those_of_a_minute_scan(zone: str) -> None:
    assert differences(zone, EXPRESSIONS, changes(zone)) == []


@pytest.mark.parametrize("expression", EXPRESSIONS[::7])
def test_asking_tick_by_tick_says_the_same_as_walking(expression: str) -> None:
    """The clock's way (ask for the next tick) yields the same ticks as the preview's (iterate)."""
    rule = Rule(cron=expression, zone="Europe/Berlin")
    start = datetime(2026, 10, 24, 21, 59, 30, tzinfo=UTC)
    walked = [tick for tick, _ in zip(rule.ticks(start), range(40), strict=False)]

    asked: list[datetime] = []
    after = start
    while len(asked) < len(walked):
        after = rule.next(after) or start
        asked.append(after)

    assert asked == walked
    assert all(earlier < later for earlier, later in pairwise(walked))
