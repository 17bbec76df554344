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
    ],
)  # fmt: skip
def test_clock_changes_are_described_in_words_and_the_ticks_agree(rule: Rule, told: list[str]) -> None:
    assert preview.notes(rule, MARCH)[: len(told)] == told
    assert bool(preview.notes(rule, MARCH)) == bool(told)


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
