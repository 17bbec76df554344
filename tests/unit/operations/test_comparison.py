"""Values of two runs side by side: equal only if they are the same JSON, and never judged where a secret is hidden."""

from __future__ import annotations

from typing import Any

import pytest

from src.operations.format.json_documents import MASK
from src.operations.jobs.documents.comparison import Section, _row


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1, True),
        (True, 1, False),
        (1, 1.0, False),
        ([False], [0], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (float("nan"), float("nan"), True),
        ("\ud800", "\ud800", True),
        (MASK, MASK, None),
        ({"card": [MASK], "x": 1}, {"card": [MASK], "x": 1}, None),
        ({"card": [MASK], "x": 1}, {"card": [MASK], "x": 2}, False),
        (MASK, None, False),
    ],
)
def test_values_are_the_same_only_if_they_are_the_same_json(left: Any, right: Any, same: bool | None) -> None:
    assert _row(Section.ARGUMENTS, "x", left, right).same is same
