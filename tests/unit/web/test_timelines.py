"""Geometry of timelines: nothing lies outside the drawing, marks are few and at round times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from src.operations.jobs.documents.job_timeline import Period
from src.web.render.graphics.timelines import MARKS, MOST_LANES, WIDTH, Axis, about, draw

START = datetime(2026, 3, 18, 11, 58, tzinfo=UTC)
SECONDS = st.floats(0, 40_000_000, allow_nan=False)


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=60))
def test_every_bar_is_visible_and_inside(spans: list[tuple[float, float]]) -> None:
    periods = [
        Period("queued", number, START + timedelta(seconds=min(each)), START + timedelta(seconds=max(each)))
        for number, each in enumerate(spans, 1)
    ]
    drawn = draw(periods)
    assert drawn is not None
    assert len(drawn.lanes) == min(len(spans), MOST_LANES)
    for lane in drawn.lanes:
        for bar in lane.bars:
            assert 0 <= bar.x < bar.end <= WIDTH
    assert len(drawn.axis.marks) <= MARKS + 1
    assert all(0 <= place <= WIDTH for place, _ in drawn.axis.marks)


def test_marks_are_at_round_times() -> None:
    assert [label for _, label in Axis(START, START + timedelta(minutes=18)).marks] == ["12:00", "12:05", "12:10", "12:15"]
    assert [label for _, label in Axis(START, START + timedelta(seconds=4)).marks] == ["+0 s", "+1 s", "+2 s", "+3 s", "+4 s"]
    assert [label for _, label in Axis(START, START + timedelta(days=9)).marks] == ["20 Mar", "22 Mar", "24 Mar", "26 Mar"]


def test_nothing_has_no_drawing() -> None:
    assert draw([]) is None


def test_estimates_have_few_digits() -> None:
    assert [about(timedelta(seconds=each)) for each in (0.2, 27.3, 83, 3_700)] == ["1 s", "27 s", "1 min 20 s", "1 h 2 min"]
