"""Difference of two logs: lines are equal but for numbers and ids, and equal stretches are left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from src.operations.jobs.documents.comparison import difference

LINES = st.lists(st.sampled_from(["start", "fetch 1", "fetch 2", "store", "done"]), max_size=20)


def test_logs_that_differ_in_numbers_and_ids_only_have_no_difference() -> None:
    left = ["job 0198c1f2-9e01 began", "12 rows in 3.4 s"]
    assert list(difference(left, ["job 0198d4a7-11aa began", "7 rows in 1.1 s"])) == []


def test_equal_lines_far_from_a_difference_are_left_out() -> None:
    left = [f"line {chr(97 + number)}" for number in range(20)]
    found = list(difference([*left, "left"], [*left, "right"]))
    assert (found[0].mark, found[0].text) == ("…", "17 equal lines")
    assert [line.mark for line in found[1:]] == [" ", " ", " ", "-", "+"]
    found = list(difference([*left[:4], "left"], [*left[:4], "right"]))
    assert (found[0].mark, found[0].text) == ("…", "1 equal line")


@given(LINES, LINES)
def test_each_line_of_one_side_only_is_marked(left: list[str], right: list[str]) -> None:
    found = list(difference(left, right))
    both = sum(line.mark == " " for line in found) + sum(int(line.text.split()[0]) for line in found if line.mark == "…")
    gone, new = (sum(line.mark == mark for line in found) for mark in "-+")
    if found:
        assert both + gone <= len(left)
        assert both + new <= len(right)
