"""Results as JSON: exact where JSON can express them, refused with the cure where it cannot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from src.broker.core.encoding import UnstorableResult, encode_result
from src.settings import get_settings


class Model(BaseModel):
    number: int


@dataclass
class Plain:
    text: str


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("result", "kept"),
    [
        (None, None),
        (10**30, 10**30),
        (0.1, 0.1),
        ("\x00 \ud800 ü 😀", "\x00 \\ud800 ü 😀"),
        ((1, (2,)), [1, [2]]),
        ({"a": [True]}, {"a": [True]}),
        (Model(number=1), {"number": 1}),
        ([Model(number=1)], [{"number": 1}]),
        (Plain("x"), {"text": "x"}),
        (datetime(2030, 1, 1, tzinfo=UTC), "2030-01-01T00:00:00Z"),
        (date(2030, 1, 1), "2030-01-01"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        ({3}, [3]),
        (Colour.RED, "red"),
        (b"bytes", "bytes"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_result_is_kept_by_pydantics_rules(result: Any, kept: Any) -> None:
    assert json.loads(encode_result(result)) == kept


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(300):
        value = [value]
    return value


@pytest.mark.parametrize(
    "result", [object(), lambda: None, b"\xff", deep(), {"a": {1: object()}}], ids=["object", "function", "bytes", "deep", "inner"]
)
def test_an_unstorable_result_is_an_error_with_the_cure(result: Any) -> None:
    with pytest.raises(UnstorableResult, match=r"cannot be written as JSON .* return text, numbers"):
        encode_result(result)


def test_a_result_over_the_limit_says_so() -> None:
    limit = get_settings().max_result_bytes

    with pytest.raises(UnstorableResult, match=f"more than the {limit} of CALLBOARD_MAX_RESULT_BYTES: write it where it belongs"):
        encode_result("x" * limit)
