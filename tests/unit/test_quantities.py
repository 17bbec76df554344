"""Quantities in words: durations are rounded before the unit is chosen, and one thing has the singular."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from src.formats.quantities import counted, rate, span
from src.jobs.alerts.rules import in_words

#: seconds of a unit, and how many of it are one of the next
UNITS = {"ms": (0.001, 1_000), "s": (1, 60), "min": (60, 60), "h": (3_600, 24), "d": (86_400, 10**9)}


def _parts(text: str) -> list[tuple[float, str]]:
    assert re.fullmatch(r"[\d.]+ \w+( \d+ \w+)?", text), text
    return [(float(amount), unit) for amount, unit in re.findall(r"([\d.]+) (\w+)", text)]


def _seconds(text: str) -> float:
    return sum(amount * UNITS[unit][0] for amount, unit in _parts(text))


@given(st.floats(0.000_51, 1e9))
@example(59.96)
@example(0.9996)
@example(3_599.6)
@example(86_399.0)
def test_no_part_of_a_duration_is_zero_or_a_whole_next_unit(seconds: float) -> None:
    text = span(seconds)
    for amount, unit in _parts(text):
        assert 0 < amount < UNITS[unit][1], text
    assert ".0 " not in text


@given(st.floats(0, 1e9))
def test_a_duration_is_rounded_to_the_smallest_unit_it_could_show(seconds: float) -> None:
    grain = next(grain for most, grain in ((1, 0.001), (60, 0.1), (3_600, 1), (86_400, 60), (1e10, 3_600)) if seconds < most)
    assert abs(_seconds(span(seconds)) - seconds) <= grain / 2 * 1.000_001


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_longer_duration_never_looks_shorter(one: float, other: float) -> None:
    assert _seconds(span(min(one, other))) <= _seconds(span(max(one, other)))


@pytest.mark.parametrize(("per_s", "text"), [(0, "0/s"), (0.0001, "0.4/h"), (0.142, "8.5/min"), (2.04, "2.0/s"), (1_234.5, "1\u202f234/s")])
def test_a_rate_has_the_unit_that_gives_it_a_readable_number(per_s: float, text: str) -> None:
    assert rate(per_s) == text


def test_an_alert_says_a_duration_without_a_unit_of_zero() -> None:
    said = [in_words(timedelta(seconds=each)) for each in (1, 40, 60, 34 * 60, 3 * 3_600, 12_000, 200_000)]
    assert said == ["1 second", "40 seconds", "1 minute", "34 minutes", "3 h", "3 h 20 min", "2 days"]


def test_one_has_the_singular_and_everything_else_the_plural() -> None:
    assert [counted(each, "job") for each in (0, 1, 2, 4312)] == ["0 jobs", "1 job", "2 jobs", "4\u202f312 jobs"]
    assert [counted(each, "dead letter", separator=",") for each in (1, 4312)] == ["1 dead letter", "4,312 dead letters"]
    assert [counted(each, "stale copy", "stale copies") for each in (1, 2)] == ["1 stale copy", "2 stale copies"]
    assert [counted(each, "job was", "jobs were") for each in (1, 2)] == ["1 job was", "2 jobs were"]
    assert [counted(each, "day") for each in (0.5, 1.0, 400.0)] == ["0.5 days", "1 day", "400 days"]
