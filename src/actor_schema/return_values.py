"""What an actor returns, as its return hint says it: the way back from JSON to the Python type."""

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
    """The JSON result as the type that the actor's return hint names; as it is where there is none, or it is not true."""
    known = dramatiq.get_broker().actors.get(actor or "")
    adapter = None if known is None else _adapter(known)
    if adapter is None:
        return result
    try:
        return adapter.validate_python(result)
    except ValidationError:
        return result  # a hint that is wrong, or was another when the job ran


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
