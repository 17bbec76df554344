"""Counts of ticks by day, against the list of the ticks."""

from __future__ import annotations

import time
from bisect import bisect_left
from datetime import timedelta
from itertools import pairwise

import pytest

from src.schedules.rules import counting
from src.schedules.rules.rules import Rule
from src.schedules.ticks.misfires import MOST, due_ticks
from src.schedules.ticks.ticks import FROZEN_MS
from tests.harness.schedules import at

YEAR = timedelta(days=365)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe", "Africa/Casablanca"])
@pytest.mark.parametrize(
    "cron",
    ["*/20 * * * *", "30 2 * * *", "0,30 0-3 * * *", "*/7 22-2 * * *", "0 0 13 * fri", "15 2 */2 * 0", "59 23 l * *", "0 6 * * fri#2", "*/5 0 lw 2-4 *"],
)  # fmt: skip
def test_the_counts_of_a_year_are_those_of_the_list(zone: str, cron: str) -> None:
    rule = Rule(cron=cron, zone=zone)
    start = at(2026, 1, 5, 12, 1)
    days = list(counting.by_day(rule, start, start + YEAR))
    listed = list(rule.between(start, start + YEAR))

    assert sum(number for _, number in days) == len(listed)
    for (begin, number), (following, _) in pairwise(days):
        assert number == bisect_left(listed, following) - bisect_left(listed, begin), begin
        assert following - begin <= timedelta(hours=25)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(every_s=7),
        Rule(every_s=3_600, starts_at=at(2026, 1, 4, 12, 0, 30), zone="Europe/Berlin"),
        Rule(every_s=100_000, ends_at=at(2026, 1, 20)),
        Rule(cron="0 * * * *", starts_at=at(2026, 1, 6, 7), ends_at=at(2026, 1, 9, 8)),
        Rule(at=at(2026, 1, 9)),
    ],
)
@pytest.mark.parametrize("days", [0, 1, 20])
def test_the_counts_end_with_the_rule_and_both_ends_count(rule: Rule, days: int) -> None:
    start = at(2026, 1, 5, 12)
    end = start + timedelta(days=days)

    assert sum(number for _, number in counting.by_day(rule, start, end)) == len(list(rule.between(start, end)))


@pytest.mark.parametrize("jitter_s", [0, 20, 3_600])
@pytest.mark.parametrize("minutes", [0, 1, MOST, MOST + 1, MOST + 2, 2_000, 5_000])
def test_the_newest_due_ticks_are_listed_and_the_older_ones_counted(minutes: int, jitter_s: int) -> None:
    rule = Rule(cron="* * * * *", zone="Europe/Berlin", jitter_s=jitter_s, salt="nightly")
    start = at(2026, 3, 28, 12)
    present = start + timedelta(minutes=minutes, seconds=1)

    newest, older = due_ticks(rule, start, present)

    due = [tick for tick in rule.between(start, present) if rule.due(tick) <= present]
    assert newest == due[-MOST - 1 :]
    assert older == len(due) - len(newest)


@pytest.mark.parametrize("rule", [Rule(cron="* * * * *", zone="Europe/Berlin", jitter_s=20, salt="nightly"), Rule(every_s=1)])
def test_a_year_of_ticks_is_decided_before_the_transaction_counts_as_stalled(rule: Rule) -> None:
    """PostgreSQL ended the transaction, and the schedule never fired again."""
    before = time.process_time()

    _, older = due_ticks(rule, at(2026, 1, 1), at(2027, 1, 1))

    assert time.process_time() - before < FROZEN_MS / 1000 / 2
    assert older > 500_000
