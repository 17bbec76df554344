"""Results as JSON text, exact where JSON can hold them, by pydantic's rules for the richer Python types."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_jsonable_python

from src.jobs.envelopes import dumps
from src.settings import get_settings


class UnstorableResult(Exception):
    """The actor's result cannot be kept or passed on; running it again would not help, so the job is dead."""


def encode_result(result: Any) -> str:
    """The JSON text of a result. Raises UnstorableResult with the cure."""
    if result is None:
        return "null"
    try:
        try:
            text = dumps(result)
        except TypeError:
            text = dumps(to_jsonable_python(result))
        text.encode()
    except Exception as error:  # noqa: BLE001 - a result may be any object, and its conversion run any code
        raise UnstorableResult(
            f"its result cannot be written as JSON ({error}): return text, numbers, lists, objects or pydantic models"
        ) from None
    limit = get_settings().max_result_bytes
    if len(text) > limit:
        raise UnstorableResult(
            f"its result is {len(text)} bytes of JSON, more than the {limit} of CALLBOARD_MAX_RESULT_BYTES: write it where it belongs and return its id"
        )
    return text
