"""Return values: convert a stored JSON result back to the Python type of the actor's return hint."""

from __future__ import annotations

import inspect
import typing
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import dramatiq
from dramatiq import Actor
from pydantic import TypeAdapter, ValidationError

_known: WeakKeyDictionary[Actor[Any, Any], TypeAdapter[Any] | None] = WeakKeyDictionary()


def typed(actor: str | None, result: Any) -> Any:
    """Convert the JSON result to the actor's return hint; unchanged if there is no hint or the result does not match it."""
    known = dramatiq.get_broker().actors.get(actor or "")
    adapter = None if known is None else _adapter(known)
    if adapter is None:
        return result
    try:
        return adapter.validate_python(result)
    except ValidationError:
        return result  # the hint is wrong, or was different when the job ran


def _adapter(actor: Actor[Any, Any]) -> TypeAdapter[Any] | None:
    if actor not in _known:
        _known[actor] = _read(actor)
    return _known[actor]


def _read(actor: Actor[Any, Any]) -> TypeAdapter[Any] | None:
    function = inspect.unwrap(actor.fn)
    hint = getattr(function, "__annotations__", {}).get("return", Any)
    try:
        hints = typing.get_type_hints(
            SimpleNamespace(__annotations__={"return": hint}), getattr(function, "__globals__", {}), include_extras=True
        )
        return None if hints["return"] is Any else TypeAdapter(hints["return"])
    except Exception:  # noqa: BLE001 - a name only type checkers see, or a type that JSON does not carry: pydantic has many ways to refuse
        return None
