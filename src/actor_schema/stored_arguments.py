"""Stored form of arguments: chosen so that each attempt gets exactly the value that was accepted.

A worker reads the stored JSON with the same type that checked it. So a converter would run twice (5 € -> 500 -> 50000).
A field with two names would not be found again, and a generated default would differ. Of the possible forms, the first
is stored that reads back as the accepted value.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PydanticUserError, RootModel, TypeAdapter, ValidationError
from pydantic.types import PathType
from pydantic_core import SchemaValidator, to_jsonable_python

from ..jobs.core.values import dumps_rich, in_order
from .conversions import given_fields, parts, surprising

_ASTERISKS = "**********"
#: pydantic's checks of what is on the disk
_ON_DISK = (PathType.validate_file, PathType.validate_directory, PathType.validate_new, PathType.validate_socket)


class Unrepeatable(Exception):
    """No stored form of the value reads back as the same value."""


def adapter_of(hint: Any, extra: Literal["ignore", "forbid"] = "ignore") -> TypeAdapter[Any]:
    """The pydantic adapter of a type, which keeps infinities and NaN."""
    try:
        return TypeAdapter(hint, config=ConfigDict(ser_json_inf_nan="constants", extra=extra))
    except PydanticUserError:  # a model has its own configuration
        return TypeAdapter(hint)


def reader_of(adapter: TypeAdapter[Any]) -> TypeAdapter[Any]:
    """The adapter for values that were accepted before, without checks by the present clock or disk: a later attempt would fail them."""
    schema = _lasting(adapter.core_schema)
    if schema == adapter.core_schema:
        return adapter
    reader = copy.copy(adapter)
    reader.core_schema = schema
    reader.validator = SchemaValidator(schema, _use_prebuilt=False)  # the prebuilt validators of nested models have the checks
    return reader


def _lasting(schema: Any) -> Any:
    """The part of a pydantic schema without checks by the present clock or disk."""
    if type(schema) in (list, tuple):
        return type(schema)(map(_lasting, schema))
    if type(schema) is not dict:
        return schema
    if schema.get("type") == "function-after" and schema["function"]["function"] in _ON_DISK:
        return _lasting(schema["schema"])
    is_time = schema.get("type") in ("date", "datetime")
    return {name: _lasting(part) for name, part in schema.items() if not (is_time and name == "now_op")}


def validate(adapter: TypeAdapter[Any], value: Any) -> Any:
    """Validate a JSON value. A strict type accepts a date as text, or a set as a list, only from a JSON document."""
    try:
        return adapter.validate_python(value)
    except ValidationError:
        if not is_strict(adapter.core_schema):
            raise
        return adapter.validate_json(dumps_rich(reveal(value)))


def is_strict(schema: Any) -> bool:
    """True if a part of a pydantic schema is strict."""
    if isinstance(schema, dict):
        return schema.get("strict") is True or any(is_strict(each) for each in schema.values())
    return isinstance(schema, list | tuple) and any(is_strict(each) for each in schema)


def stored_form(adapter: TypeAdapter[Any], checker: TypeAdapter[Any], value: Any, given: Any) -> Any:
    """Return the JSON form of a validated value from which `adapter` makes it again; raises Unrepeatable.

    Tried in order: the value itself, its parts, the input with generated defaults filled in, the input. `checker` is
    the adapter that forbids unknown names, as the next check of the stored form does.
    """
    alike: list[Any] = []
    for form in _forms(adapter, value, given):
        # Converters and serializers are the actor's own code, and one that fails means that this form does not do.
        with suppress(Exception):
            again = validate(adapter, form)
            if any(True for _ in surprising(again, form)) or not _are_alike(adapter, validate(checker, form), value):
                continue
            if again == value:
                return form
            if _are_alike(adapter, again, value):
                alike.append(form)
    if not alike:
        raise Unrepeatable
    return alike[0]


def _are_alike(adapter: TypeAdapter[Any], one: Any, other: Any) -> bool:
    """True if the values are equal, or have the same text: NaN, and objects without equality."""
    return bool(one == other) or _text(adapter, one) == _text(adapter, other)


def _forms(adapter: TypeAdapter[Any], value: Any, given: Any) -> Iterator[Any]:
    makers: tuple[Callable[[], Any], ...] = (
        lambda: dump(adapter, value),
        lambda: _json(adapter.dump_python(value, mode="python", by_alias=True, round_trip=True, warnings=False)),
        lambda: _json(_filled(value, given)),
        lambda: _json(given),
    )
    for make in makers:
        made: list[Any] = []
        with suppress(Exception):
            made.append(make())
            made.insert(0, ordered(value, made[0]))
        yield from made


def ordered(value: Any, form: Any) -> Any:
    """Return the JSON form with the items of sets sorted: their order differs between processes.

    Leaves out the fields of dataclasses that cannot be given.
    """
    if isinstance(value, set | frozenset) and isinstance(form, list):
        return in_order([ordered(each, inner) for each, inner in zip(value, form, strict=True)] if len(value) == len(form) else form)
    if isinstance(form, dict):
        kept = dict(form)
        if is_dataclass(value) and not isinstance(value, type):
            for each in fields(value):
                if not each.init:
                    kept.pop(each.name, None)
        for inner, before, step in parts(value, form):
            if step in kept and kept[step] is before:
                kept[step] = ordered(inner, before)
        return kept
    if isinstance(form, list):
        return [ordered(inner, before) for inner, before, _ in parts(value, form)] or form
    return form


def dump(adapter: TypeAdapter[Any], value: Any) -> Any:
    """Dump the value as JSON to be read by the same type; secrets in plain text."""
    found = adapter.dump_python(value, mode="json", by_alias=True, round_trip=True, warnings=False)
    if _ASTERISKS in str(found):  # possibly a secret: pydantic masks secrets in JSON
        found = _json(adapter.dump_python(value, mode="python", by_alias=True, round_trip=True, warnings=False))
    return found


def reveal(value: Any) -> Any:
    """Return the value with secrets in plain text, where pydantic writes asterisks."""
    if hasattr(value, "get_secret_value"):
        return reveal(value.get_secret_value())
    if isinstance(value, dict):
        return {reveal(name): reveal(each) for name, each in value.items()}
    return [reveal(each) for each in value] if isinstance(value, list | tuple | set | frozenset | deque) else value


def secrets_in(value: Any) -> Iterator[Any]:
    """The plain values of the secrets within a value."""
    if hasattr(value, "get_secret_value"):
        yield to_jsonable_python(reveal(value), fallback=str)
    elif isinstance(value, BaseModel) or is_dataclass(value):
        inner = list(vars(value).values()) if hasattr(value, "__dict__") else [getattr(value, each.name) for each in fields(value)]  # type: ignore[arg-type]
        for each in (*inner, getattr(value, "__pydantic_extra__", None)):
            yield from secrets_in(each)
    elif isinstance(value, Mapping):
        for each in (*value, *value.values()):
            yield from secrets_in(each)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray):
        for each in value:
            yield from secrets_in(each)


def _json(value: Any) -> Any:
    return to_jsonable_python(reveal(value), inf_nan_mode="constants", by_alias=True)


def _filled(value: Any, given: Any) -> Any:
    """The input, with fields of models that were not given set to their generated defaults."""
    value = value.root if isinstance(value, RootModel) else value
    if isinstance(given, Mapping):
        filled = dict(given)
        if isinstance(value, BaseModel):
            known = given_fields(value, given)
            for name, info in type(value).model_fields.items():
                if name not in known and name not in value.model_fields_set:
                    alias = info.validation_alias
                    filled[alias if isinstance(alias, str) else name] = getattr(value, name)
        for inner, before, step in parts(value, given):
            if step in given and given[step] is before:
                filled[step] = _filled(inner, before)
        return filled
    if isinstance(given, list | tuple):
        known_parts = list(parts(value, given))
        return [_filled(inner, before) for inner, before, _ in known_parts] if known_parts else list(given)
    return given


def _text(adapter: TypeAdapter[Any], value: Any) -> str:
    return dumps_rich(ordered(value, dump(adapter, value)))
