"""Refusal of pydantic's surprising conversions: "2026" as the 2026th second of 1970, True as 1, "1_000", "nan", "on" as True.

Compares input and output after validation, so that models, lists and an actor's own converters are covered: a converter
that reads "20261231" as a day produces another value than pydantic, and is accepted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from pydantic import AliasChoices, BaseModel, RootModel, TypeAdapter, ValidationError

Place = tuple[str | int, ...]

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INSTANTS: dict[type, str] = {datetime: "datetime_parsing", date: "date_parsing", time: "time_parsing", timedelta: "time_delta_parsing"}
_KINDS = (bool, int, float, Decimal, *_INSTANTS)
_LAX: dict[type, Callable[[Any], Any]] = {kind: TypeAdapter(kind).validate_python for kind in _KINDS}


def surprising(value: Any, given: Any, place: Place = ()) -> Iterator[dict[str, Any]]:
    """Return errors in pydantic's form for each leaf of `given` that became its part of `value` by a surprising conversion."""
    if value is given:
        return
    if isinstance(value, dict) and isinstance(given, Mapping) and len(value) < len(given) and (names := _equal_names(value, given)):
        shown = " and ".join(json.dumps(str(name), ensure_ascii=False) for name in names)
        yield {"type": "value_error", "loc": place, "msg": "", "ctx": {"error": f"The names {shown} mean the same here: leave one out"}}
    elif type(value) in _LAX:
        kind = _problem(value, given)
        if kind is not None:
            yield {"type": kind, "loc": place, "msg": "", "ctx": {}}
    elif isinstance(value, set | frozenset) and isinstance(given, list | tuple | set | frozenset):
        for number, each in enumerate(given):
            became = next((one for kind in {type(one) for one in value} & _LAX.keys() if (one := _lax(kind, each)) in value), None)
            if became is not None:
                yield from surprising(became, each, (*place, number))
    else:
        for inner, before, step in parts(value, given):
            yield from surprising(inner, before, (*place, step))


def _equal_names(value: dict[Any, Any], given: Mapping[Any, Any]) -> tuple[Any, Any] | None:
    """Return two names that were given and became one: the value of the other would be lost."""
    readers = [_LAX.get(kind, str.casefold if kind is str else kind) for kind in {type(key) for key in value}]
    for reader in readers:
        seen: dict[Any, Any] = {}
        for name in given:
            try:
                first = seen.setdefault(reader(name.strip() if isinstance(name, str) else name), name)
            except Exception:  # noqa: BLE001 - the name is not of this type
                continue
            if first is not name:
                return first, name
    return None


def parts(value: Any, given: Any) -> Iterator[tuple[Any, Any, str | int]]:
    """Pair the parts of a validated value with the parts of `given` they came from, and their location in it."""
    if isinstance(value, RootModel):
        yield from parts(value.root, given)
    elif isinstance(given, Mapping):
        if isinstance(value, dict):
            if value.keys() == given.keys():
                yield from ((value[name], before, str(name)) for name, before in given.items())
            elif len(value) == len(given):  # the keys have been converted too
                for (key, inner), (name, before) in zip(value.items(), given.items(), strict=True):
                    yield key, name, str(name)
                    yield inner, before, str(name)
        else:
            for name, key in given_fields(value, given).items():
                yield getattr(value, name, None), given[key], key
    elif isinstance(given, list | tuple) and isinstance(value, list | tuple) and len(given) == len(value):
        yield from zip(value, given, range(len(given)), strict=True)


def given_fields(value: Any, given: Mapping[str, Any]) -> dict[str, str]:
    """For a model or dataclass: each field that was given, and the key it was given by."""
    found = {}
    for name, keys in _keys(value).items():
        key = next((key for key in keys if key in given), None)
        if key is not None:
            found[name] = key
    return found


def _keys(value: Any) -> dict[str, list[str]]:
    """The keys by which each field may be given, in the order that validation reads them."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: [field.name] for field in fields(value)}
    if not isinstance(value, BaseModel):
        return {}
    keys: dict[str, list[str]] = {}
    for name, info in type(value).model_fields.items():
        alias = info.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        keys[name] = [*(each for each in choices if isinstance(each, str)), name]
    return keys


def _problem(value: Any, given: Any) -> str | None:
    """The kind of error if pydantic's own conversion produced this value from something else; else None."""
    kind = type(value)
    if kind is timedelta:  # a number is seconds, as in the delay of a job
        return _INSTANTS[kind] if isinstance(given, bool) else None
    if kind in _INSTANTS:
        counted = (isinstance(given, int | float) and not isinstance(given, kind)) or (
            isinstance(given, str) and _NUMBER.fullmatch(given.strip())
        )
        return _INSTANTS[kind] if counted and _lax(kind, given) == value else None
    if not isinstance(given, str | bool | float) or type(given) is kind or (_lax(kind, given) != value and value == value):
        return None
    if kind is bool:
        says = isinstance(given, str) and given.strip().lower() in ("true", "false", "yes", "no")
        return None if says else "bool_parsing"
    word = f"{'decimal' if kind is Decimal else kind.__name__}_parsing"
    if isinstance(given, bool):
        return word
    if isinstance(given, str):
        if kind is int:
            return None if _WHOLE.fullmatch(given.strip()) else word
        if not _NUMBER.fullmatch(given.strip()):
            return word
        return None if math.isfinite(value) else "finite_number"
    return None


def _lax(kind: type, given: Any) -> Any:
    try:
        return _LAX[kind](given)
    except (ValidationError, ValueError, TypeError):
        return _NEVER


_NEVER = object()
