"""Time ranges: named ones, and instants in the viewer's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from src.operations.format import time_ranges

_NOW = datetime(2026, 11, 29, 12, 34, 56, tzinfo=UTC)


def test_times_without_a_zone_are_the_viewers() -> None:
    chosen = time_ranges.parse({"from": "2026-11-29T10:00", "until": "2026-11-29T11:30"}, _NOW, "Europe/Berlin")
    assert chosen.since == datetime(2026, 11, 29, 9, tzinfo=UTC)
    assert chosen.label == "29 Nov 10:00 – 29 Nov 11:30"
    assert chosen.parameters == {"from": "2026-11-29T09:00:00Z", "until": "2026-11-29T10:30:00Z"}


def test_a_named_range_is_in_words() -> None:
    labels = [time_ranges.parse({"range": name}, _NOW, "UTC").label for name in time_ranges.RANGES]
    assert labels == ["last 15 minutes", "last hour", "last 6 hours", "last 24 hours", "last 7 days", "last 30 days"]


def test_the_default_range_is_not_chosen() -> None:
    assert not time_ranges.parse({}, _NOW, "UTC").is_chosen
    assert time_ranges.parse({"range": "24h"}, _NOW, "UTC").is_chosen


@given(st.integers(min_value=1, max_value=400 * 1440), st.integers(min_value=0, max_value=400 * 1440))
def test_columns_cover_the_range_and_fit_into_the_chart(length: int, age: int) -> None:
    until = _NOW - timedelta(minutes=age)
    since = until - timedelta(minutes=length)
    chosen = time_ranges.parse({"from": since.isoformat(), "until": until.isoformat()}, _NOW, "UTC")
    assert len(chosen.columns) <= time_ranges.COLUMNS
    assert chosen.first <= since < chosen.first + chosen.step
    assert chosen.last - chosen.step < until <= chosen.last
    assert chosen.columns[-1] + chosen.step == chosen.last
    for minutes, days in ((10, 2), (60, 10), (1_440, 100)):
        if _NOW - since > timedelta(days=days):
            assert chosen.step % timedelta(minutes=minutes) == timedelta(0)


def test_its_parameters_give_the_same_range_again() -> None:
    for given_ in ({"range": "7d"}, {"from": "2026-11-01", "until": "2026-11-02"}):
        first = time_ranges.parse(given_, _NOW, "Europe/Berlin")
        assert time_ranges.parse(first.parameters, _NOW, "UTC").parameters == first.parameters
