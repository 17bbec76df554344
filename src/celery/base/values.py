"""JSON form of values that Celery's serializer carries and JSON does not: dates, UUIDs, decimals and bytes, each with its type."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

_TYPE, _VALUE = "__type__", "__value__"

_TO_TEXT: tuple[tuple[type, str, Callable[[Any], Any]], ...] = (
    (datetime, "datetime", datetime.isoformat),  # before date, whose subclass it is
    (date, "date", date.isoformat),
    (time, "time", time.isoformat),
    (timedelta, "timedelta", timedelta.total_seconds),
    (UUID, "uuid", str),
    (Decimal, "decimal", str),
    (bytes, "bytes", lambda value: base64.b64encode(value).decode()),
)
_FROM_TEXT: dict[str, Callable[[Any], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda value: timedelta(seconds=value),
    "uuid": UUID,
    "decimal": Decimal,
    "bytes": base64.b64decode,
}


def encode(value: Any) -> Any:
    """Replace rich values within lists and dictionaries by their tagged form; others stay."""
    if isinstance(value, dict):
        return {key: encode(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [encode(inner) for inner in value]
    for kind, name, write in _TO_TEXT:
        if isinstance(value, kind):
            return {_TYPE: name, _VALUE: write(value)}
    return encode(value.as_tuple()) if hasattr(value, "as_tuple") else value  # a result of another task


def decode(value: Any, others: dict[str, Callable[[Any], Any]] | None = None) -> Any:
    """Restore tagged values; `others` reads further types."""
    if isinstance(value, list):
        return [decode(inner, others) for inner in value]
    if not isinstance(value, dict):
        return value
    read = {**_FROM_TEXT, **(others or {})}.get(value[_TYPE]) if len(value) == 2 and _TYPE in value and _VALUE in value else None
    if read is None:
        return {key: decode(inner, others) for key, inner in value.items()}
    try:
        return read(value[_VALUE])
    except (TypeError, ValueError):
        return value  # a dictionary of the caller's own with these keys


def tag(name: str, value: Any) -> dict[str, Any]:
    """Return a tagged value of a further type."""
    return {_TYPE: name, _VALUE: value}
