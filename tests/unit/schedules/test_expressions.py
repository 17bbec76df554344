"""Cron expressions as users write them: their meaning, and refusals with the field and the reason."""

from __future__ import annotations

import pytest

from src.jobs.core.errors import JobsError
from src.schedules.rules import expressions
from src.schedules.rules.preview import words
from src.schedules.rules.rules import Rule


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("70 * * * *", "minute", "70 does not lie between 0 and 59"),
        ("* 24 * * *", "hour", "24 does not lie between 0 and 23"),
        ("0 0 0 * *", "day of month", "0 does not lie between 1 and 31"),
        ("0 0 * 13 *", "month", "13 does not lie between 1 and 12"),
        ("0 0 * * 8", "day of week", "8 does not lie between 0 and 7"),
        ("0 0 31 2 *", "day of month", "no year has a day"),
        ("0 0 30 feb,feb *", "day of month", "no year has a day"),
        ("*/90 * * * *", "minute", "longer than the whole field"),
        ("*/0 * * * *", "minute", "is not a step"),
        ("1,,2 * * * *", "minute", "empty part"),
        ("a * * * *", "minute", "neither a number"),
        ("0 0 * * fri#6", "day of week", "which one of the month"),
        ("0 0 ? * *", "day of month", "neither a number"),
        ("１ * * * *", "minute", "neither a number"),
        ("* * * *", "4 fields", "write five"),
        ("* * * * * *", "6 fields", "For seconds use an interval"),
        ("", "0 fields", "write five"),
        ("@reboot", "@reboot", "names no instant"),
        ("@every 5m", "@every", "use an interval"),
        ("@fortnightly", "@fortnightly", "there is @yearly"),
    ],
)
def test_a_wrong_expression_is_refused_with_the_field_and_the_reason(text: str, field: str, reason: str) -> None:
    with pytest.raises(JobsError) as refused:
        expressions.parse(text)

    assert refused.value.field == "cron"
    assert field in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * SUN", "0 0 * * 0"),
        ("0 0 * * sunday", "0 0 * * 0"),
        ("0 0 * * fri-sun", "0 0 * * 5,6,0"),
        ("0 0 * * 5-7", "0 0 * * 5-7"),
        ("0 0 * * 7-2", "0 0 * * 0,1,2"),
        ("0 0 * * fri-mon/2", "0 0 * * 5,0"),
        ("0 22-2 * * *", "0 22,23,0,1,2 * * *"),
        ("0 0 1 nov-feb *", "0 0 1 11,12,1,2 *"),
        ("0 0 28-2 * *", "0 0 28,29,30,31,1,2 * *"),
        ("5/15 * * * *", "5,20,35,50 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("  0   6 * * mon-fri ", "0 6 * * 1-5"),
    ],
)
def test_what_wraps_or_has_a_name_means_these_numbers(text: str, parts: str) -> None:
    assert " ".join(expressions.parse(text).parts) == parts


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule(cron="0 6 * * mon-fri", zone="Europe/Berlin"), "At 06:00 on Monday through Friday (Europe/Berlin)"),
        (Rule(cron="30 2 * * fri-sun"), "At 02:30 on Friday, Saturday, and Sunday (UTC)"),
        (Rule(every_s=30), "Every 30 seconds"),
        (Rule(every_s=60, jitter_s=10), "Every minute, each delayed by up to 10 seconds"),
        (Rule(every_s=3600, jitter_s=60), "Every hour, each delayed by up to 1 minute"),
        (Rule(cron="0 6 * * *", jitter_s=1), "At 06:00 every day (UTC), each delayed by up to 1 second"),
        (Rule(every_s=5400), "Every 1 hour 30 minutes"),
    ],
)
def test_a_rule_is_described_in_words(rule: Rule, told: str) -> None:
    assert words(rule) == told
