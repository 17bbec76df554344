"""Counterparts of type hints that pydantic refuses, or accepts from Python code but not from JSON.

A list for an iterator, members of enums and literals by the JSON form of their values, a TypedDict of `typing` before
Python 3.12, bytearray, and subclasses of text and numbers.
"""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import (
    Callable,
    Collection,
    Container,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    Reversible,
    Sequence,
)
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from itertools import takewhile
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Literal, LiteralString, Union, get_args, get_origin

import typing_extensions
from pydantic import AfterValidator, PydanticSchemaGenerationError, TypeAdapter
from pydantic_core import PydanticKnownError, core_schema, to_jsonable_python

from ..formats.quantities import LONGEST, parse_units
from ..jobs.core.values import text_of
from ..sql.columns import same_json

_NATIVE = (bool, int, float, str, list, dict, NoneType)
_LISTS = (Iterable, Iterator, Collection, Container, Reversible, Generator)
_CONTAINERS = (list, set, frozenset, tuple, dict, Sequence, MutableSequence, Mapping, MutableMapping)
#: the type to read for a class that is one of these, and how the class is made of it
_BASES: tuple[tuple[type, type, Callable[[Any, Any], Any]], ...] = (
    *((base, base, lambda kind, value: kind(value)) for base in (str, int, float, Decimal, bytes, list, dict, set, frozenset)),
    (bytearray, bytes, lambda kind, value: kind(value)),
    *((base, base, lambda kind, value: kind.fromisoformat(value.isoformat())) for base in (datetime, date, time)),
    (timedelta, timedelta, lambda kind, value: kind(value.days, value.seconds, value.microseconds)),
)


def of(hint: Any, within: tuple[Any, ...] = ()) -> Any:
    """Return the type to validate with; `within`: the TypedDicts around it, which may contain themselves."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        is_duration = inner[0] is timedelta or {*get_args(inner[0])} == {timedelta, NoneType}
        return _duration(hint) if is_duration else Annotated[(of(inner[0], within), *hint.__metadata__)]
    if origin is Literal:
        return hint if all(type(each) in _NATIVE for each in inner) else Annotated[hint, Choices(inner)]
    if hint is LiteralString:
        return str
    if hint in _LISTS or origin in _LISTS:
        return GenericAlias(list, (of(inner[0], within),)) if inner else list
    if origin in (Union, UnionType):
        return Union[tuple(of(each, within) for each in inner)]  # noqa: UP007 - made at run time
    if origin in _CONTAINERS:
        changed = tuple(each if each is ... else of(each, within) for each in inner)
        return hint if changed == inner else GenericAlias(origin, changed)
    return _of_class(hint, within) if isinstance(hint, type) and origin is None else hint


def _duration(hint: Any) -> Any:
    """The duration with units around its bounds: pydantic knows the bounds of a duration, not those of a text."""
    bounds = tuple(takewhile(lambda each: not hasattr(each, "__get_pydantic_core_schema__"), hint.__metadata__))
    return Annotated[(get_args(hint)[0], *bounds, Units(), *hint.__metadata__[len(bounds) :])]


def _of_class(kind: type, within: tuple[Any, ...]) -> Any:
    if kind is timedelta:
        return Annotated[timedelta, Units()]
    if issubclass(kind, Enum):
        return kind if all(type(member.value) in _NATIVE for member in kind) else Annotated[kind, Choices(tuple(kind), kind.__name__)]
    if typing.is_typeddict(kind) and sys.version_info < (3, 12):
        return _typed_dict(kind, within)
    found = next(((read, make) for base, read, make in _BASES if issubclass(kind, base)), None)
    if found is None or not _is_refused(kind):
        return kind
    return Annotated[_generic(kind) or found[0], AfterValidator(partial(found[1], kind))]


def _generic(kind: type) -> Any:
    """The base with its arguments, as `list[str]` in `class Names(list[str])`."""
    return next((of(base) for base in getattr(kind, "__orig_bases__", ()) if get_origin(base) in _CONTAINERS), None)


def _is_refused(kind: type) -> bool:
    try:
        TypeAdapter(kind)
    except PydanticSchemaGenerationError:
        return True
    return False


def _typed_dict(kind: Any, within: tuple[Any, ...]) -> Any:
    """The same TypedDict as `typing_extensions` makes it, because pydantic refuses that of `typing` before Python 3.12."""
    if kind in within:
        return dict[str, Any]
    fields: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        while (origin := get_origin(hint)) in (typing.Required, typing.NotRequired):
            fields[name], hint = origin, get_args(hint)[0]
        needs = fields.get(name, typing.Required if name in kind.__required_keys__ else typing.NotRequired)
        fields[name] = needs[of(hint, (*within, kind))]
    make: Any = typing_extensions.TypedDict
    made = make(kind.__name__, fields)
    made.__doc__, made.__module__, made.__qualname__ = kind.__doc__, kind.__module__, kind.__qualname__
    if hasattr(kind, "__pydantic_config__"):
        made.__pydantic_config__ = kind.__pydantic_config__
    return made


@dataclass(frozen=True)
class Units:
    """Text with units, as `1h30m`, or of seconds, for a duration: pydantic reads ISO 8601, and seconds as a number."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Return pydantic's schema behind the units."""
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: Any) -> dict[str, Any]:
        """Return the JSON Schema with examples that only this reads."""
        found: dict[str, Any] = handler(schema)
        for each in found.get("anyOf", [found]):
            if each.get("format") == "duration":
                each["examples"] = ["1h30m", "90"]
        return found

    def read(self, given: Any) -> Any:
        """Return the duration of a text with units or of a number; any other value unchanged."""
        text = given.strip().lower() if isinstance(given, str) else ""
        seconds = float(text) if text.isascii() and text.isdecimal() else parse_units(text)
        return given if seconds is None or seconds > LONGEST.total_seconds() else timedelta(seconds=seconds)


@dataclass(frozen=True)
class Choices:
    """The members of an enum or a literal, given by the JSON form of their values: pydantic takes a Decimal, date or enum only as itself."""

    members: tuple[Any, ...]
    title: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Return pydantic's schema: validation by form, and the form as output."""
        written = core_schema.plain_serializer_function_ser_schema(_form, when_used="json")
        return core_schema.no_info_plain_validator_function(self.member, serialization=written)

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: Any) -> dict[str, Any]:
        """Return the JSON Schema: the forms."""
        forms = [_form(each) for each in self.members]
        kind = {"type": "string"} if all(isinstance(form, str) for form in forms) else {}
        return {"enum": forms, **kind, **({"title": self.title} if self.title else {})}

    def member(self, given: Any) -> Any:
        """Return the member that was given, by itself, its value or the JSON form of that."""
        form = _form(given)
        exact = (each for each in self.members if type(each) is type(given) and each == given)
        found = next(exact, None) if given is not None else None
        if found is not None:
            return found
        for each in self.members:
            if same_json(_form(each), form):
                return each
        raise PydanticKnownError("literal_error", {"expected": _listed([_form(each) for each in self.members])})


def _form(value: Any) -> Any:
    """The JSON form of a member or its value; that of bytes that are not text has escapes."""
    value = value.value if isinstance(value, Enum) else value
    try:
        return to_jsonable_python(value, fallback=str)
    except ValueError:
        return text_of(value)


def _listed(forms: list[Any]) -> str:
    shown = [f"'{form}'" if isinstance(form, str) else json.dumps(form) for form in forms]
    return " or ".join([part for part in (", ".join(shown[:-1]), shown[-1]) if part])
