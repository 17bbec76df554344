"""Encoding of results as JSON: within the size limit, and with the cure if they have no JSON form."""

from __future__ import annotations

from typing import Any

from ...jobs.core.values import dumps_rich, text_of
from ...settings import get_settings


class UnstorableResult(Exception):
    """The result cannot be stored or passed on; a retry would not help, so the job is dead."""


def encode_result(result: Any) -> str:
    """Encode a result as JSON. Raises UnstorableResult with the cure."""
    if result is None:
        return "null"
    try:
        text = dumps_rich(result)
    except (TypeError, ValueError) as error:
        raise UnstorableResult(
            f"its result cannot be written as JSON ({text_of(error, 300)}): return text, numbers, lists, objects or pydantic models"
        ) from None
    limit = get_settings().max_result_bytes
    if len(text) > limit:
        raise UnstorableResult(
            f"its result is {len(text)} bytes of JSON, more than the {limit} of CALLBOARD_MAX_RESULT_BYTES: write it where it belongs and return its id"
        )
    return text
