"""Previews come from the engine that fires."""

from __future__ import annotations

from datetime import timedelta

import pytest

from src.schedules.rules import preview
from src.schedules.rules.rules import Rule
from tests.harness.schedules import at

MARCH = at(2026, 3, 1)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            Rule(cron="30 2 * * *", zone="Europe/Berlin"),
            ["02:30 does not exist on 29 March 2026: runs at 03:00.", "02:30 comes twice on 25 October 2026: runs once, not twice."],
        ),
        (
            Rule(cron="*/20 2 * * *", zone="Europe/Berlin"),
            ["02:00 to 03:00 does not exist on 29 March 2026: nothing runs in it.", "02:00 to 03:00 comes twice on 25 October 2026: runs both times."],
        ),
        (Rule(cron="0 0 * * *", zone="Africa/Cairo"), ["00:00 does not exist on 24 April 2026: runs at 01:00."]),
        (Rule(cron="15 2 * * *", zone="Australia/Lord_Howe"), ["02:15 does not exist on 4 October 2026: runs at 02:30."]),
        (Rule(cron="0 6 * * *", zone="Europe/Berlin"), []),
        (Rule(every_s=60, zone="Europe/Berlin"), []),
        (
            Rule(every_s=14 * 86400, zone="Europe/Berlin", starts_at=at(2026, 3, 2, 8)),
            ["An interval counts hours, not days: after the change on 29 March 2026 it runs at 10:00 instead of 09:00. Cron keeps the time of day."],
        ),
    ],
)  # fmt: skip
def test_clock_changes_are_described_in_words_and_the_ticks_agree(rule: Rule, told: list[str]) -> None:
    assert preview.notes(rule, MARCH)[: len(told)] == told
    assert bool(preview.notes(rule, MARCH)) == bool(told)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Rule(every_s=90), "Every 1 minute 30 seconds"),
        (Rule(every_s=86400, zone="Asia/Tokyo"), "Every day at 00:00 UTC"),
        (Rule(every_s=7 * 86400), "Every week on Thursday at 00:00 UTC"),
        (Rule(every_s=3 * 86400), "Every 3 days at 00:00 UTC"),
        (
            Rule(every_s=14 * 86400, zone="Europe/Berlin", starts_at=at(2026, 3, 2, 8)),
            "Every 2 weeks, from 2 March 2026 at 09:00 (Europe/Berlin)",
        ),
        (Rule(every_s=60, ends_at=at(2026, 3, 2, 8, 0, 5)), "Every minute, until 2 March 2026 at 08:00:05 (UTC)"),
        (Rule(at=at(2026, 3, 2, 8, 0, 5)), "Once, on 2 March 2026 at 08:00:05 (UTC)"),
    ],
)
def test_the_words_name_the_seconds_the_zone_and_the_day_that_tick(rule: Rule, said: str) -> None:
    assert preview.words(rule) == said
    first = rule.next(MARCH)
    assert first is not None
    if "Thursday" in said:
        assert f"{first:%A %H:%M}" == "Thursday 00:00"


def test_the_description_of_the_29th_of_march_is_what_fires() -> None:
    rule = Rule(cron="30 2 * * *", zone="Europe/Berlin")

    shown = preview.upcoming(rule, at(2026, 3, 28, 12), 2)

    assert [f"{each.local:%d %H:%M}" for each in shown] == ["29 03:00", "30 02:30"]
    assert [each.tick for each in shown] == [at(2026, 3, 29, 1), at(2026, 3, 30, 0, 30)]


@pytest.mark.parametrize(
    "rule",
    [
        Rule(every_s=7, starts_at=MARCH + timedelta(hours=1, seconds=5), ends_at=MARCH + timedelta(hours=9, minutes=3)),
        Rule(every_s=3599),
        Rule(every_s=86_400),
        Rule(cron="*/5 9-17 * * mon-fri", zone="America/New_York"),
        Rule(at=MARCH + timedelta(hours=30)),
    ],
)
def test_the_load_of_each_hour_is_the_number_of_its_ticks(rule: Rule) -> None:
    hours = preview.load([rule, rule], MARCH)

    for number, ticks in enumerate(hours):
        begin = MARCH + timedelta(hours=number)
        assert ticks == 2 * len(list(rule.between(begin, begin + timedelta(hours=1) - timedelta(microseconds=1)))), number


def test_the_calendar_shows_the_days_that_tick() -> None:
    first, second = preview.calendar(Rule(cron="0 6,18 * * mon", zone="Europe/Berlin"), at(2026, 3, 10))

    ticking = {day.date.day: day.times for week in first.weeks for day in week if day and day.ticks}
    assert (first.title, second.title) == ("March 2026", "April 2026")
    assert ticking == {16: ("06:00", "18:00"), 23: ("06:00", "18:00"), 30: ("06:00", "18:00")}
    assert preview.calendar(Rule(every_s=1), at(2026, 3, 10)) == []
