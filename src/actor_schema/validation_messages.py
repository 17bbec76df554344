"""Validation messages: state what is wrong with an argument and how to fix it, in the same words for form, API and command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from ..jobs.core.errors import InvalidArguments
from ..jobs.core.values import storable
from .json_schemas import NAIVE

Context = Mapping[str, Any]

_SENTENCES: dict[str, Callable[[Context], str]] = {
    "missing": lambda _: "Required.",
    "extra_forbidden": lambda _: "No such parameter.",
    "unexpected_keyword_argument": lambda _: "No such parameter.",  # of a dataclass
    "int_type": lambda _: "Enter a whole number.",
    "int_parsing": lambda _: "Enter a whole number.",
    "int_from_float": lambda _: "Enter a whole number.",
    "float_type": lambda _: "Enter a number.",
    "float_parsing": lambda _: "Enter a number.",
    "decimal_type": lambda _: "Enter a number.",
    "decimal_parsing": lambda _: "Enter a number.",
    "finite_number": lambda _: "Enter a finite number.",
    "bool_type": lambda _: "Choose yes or no.",
    "bool_parsing": lambda _: "Choose yes or no.",
    "string_type": lambda _: "Enter text.",
    "string_too_short": lambda c: f"Enter at least {_count(c['min_length'], 'character')}.",
    "string_too_long": lambda c: f"Enter at most {_count(c['max_length'], 'character')}.",
    "too_short": lambda c: f"Give at least {_count(c['min_length'], 'item')}.",
    "too_long": lambda c: f"Give at most {_count(c['max_length'], 'item')}.",
    "greater_than_equal": lambda c: f"Enter {c['ge']} or more.",
    "greater_than": lambda c: f"Enter more than {c['gt']}.",
    "less_than_equal": lambda c: f"Enter {c['le']} or less.",
    "less_than": lambda c: f"Enter less than {c['lt']}.",
    "multiple_of": lambda c: f"Enter a multiple of {c['multiple_of']}.",
    "timezone_naive": lambda _: "Enter a date and time without a zone, e.g. 2030-12-31T18:00:00.",
    "date_past": lambda _: "Enter a date in the past.",
    "date_future": lambda _: "Enter a date in the future.",
    "datetime_past": lambda _: "Enter a date and time in the past.",
    "datetime_future": lambda _: "Enter a date and time in the future.",
    "literal_error": lambda c: f"Choose {c['expected']}.",
    "enum": lambda c: f"Choose {c['expected']}.",
    "list_type": lambda _: "Give a list.",
    "dict_type": lambda _: "Give an object.",
    "none_required": lambda _: "Leave this empty.",
    "value_error": lambda c: _sentence(str(c["error"])),
}
_STARTS = {
    "datetime": "Enter a date and time, e.g. 2030-12-31T18:00:00Z.",
    "date": "Enter a date, e.g. 2030-12-31.",
    "timezone": "Enter a date and time with its zone, e.g. 2030-12-31T18:00:00Z.",
    "time_delta": "Enter a duration: 01:30:00 or PT90S.",
    "time": "Enter a time of day, e.g. 18:00.",
    "uuid": "Enter a UUID.",
    "url": "Enter a full address, e.g. https://example.com.",
}
#: notations that durations have besides those of pydantic, except within a team's own models
SHORT_DURATIONS = "1h30m, 90 (seconds)"
_RANGE = {"greater_than_equal", "less_than_equal"}


def complain(errors: Sequence[Mapping[str, Any]], properties: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The first message for each field, from pydantic's errors; `properties` are the fields' JSON Schemas."""
    complaints: dict[str, str] = {}
    for error in errors:
        field, *inner = (str(part) if not isinstance(part, int) else part for part in error["loc"] or ("args",))
        unknown = error["type"] == "extra_forbidden" and not inner
        text = no_such("field", str(field), properties) if unknown else _say(error, _part(properties.get(str(field), {}), inner))
        complaints.setdefault(str(field), f"{_place(inner)}{text}")
    return complaints


def no_such(noun: str, name: str, known: Iterable[str]) -> str:
    """The message for an unknown name, with the one that is probably meant, or else all."""
    names = list(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    meant = f"Do you mean {near[0]}? " if near else ""
    return f"There is no such {noun}. {meant}" + (f"The {noun}s are: {', '.join(names)}." if names else "There are none here.")


def pinpoint(errors: Sequence[Mapping[str, Any]], given: Mapping[str, Any], properties: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The first message for each location within the given arguments, by its path: `home.street`, `rooms.0.name`."""
    places: dict[str, str] = {}
    for error in errors:
        if len(error["loc"]) > 1 and _is_within(given, error["loc"], may_miss=error["type"] == "missing"):
            field, *inner = error["loc"]
            places.setdefault(".".join(str(part) for part in error["loc"]), _say(error, _part(properties.get(field, {}), inner)))
    return places


def _is_within(given: Any, location: Sequence[str | int], *, may_miss: bool) -> bool:
    """False if a part of the location is not one of the value's, but names a type that pydantic has tried."""
    for left, part in reversed(list(enumerate(reversed(location)))):
        if isinstance(given, Mapping) and isinstance(part, str):
            if part not in given:
                return may_miss and not left
        elif not isinstance(given, list | tuple) or not isinstance(part, int) or part >= len(given):
            return False
        given = given[part]
    return True


def _part(schema: Mapping[str, Any], inner: Sequence[str | int]) -> Mapping[str, Any]:
    """The JSON Schema of a part of lists and objects, without that of null; {}: within a model, or of a type among several."""
    for part in inner:
        found = _part(schema, ()).get("items" if isinstance(part, int) else "additionalProperties")
        schema = found if isinstance(found, Mapping) else {}
    own: Mapping[str, Any] = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), {})
    return {**schema, **own}  # the description of `str | None` stands beside both


def _say(error: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    kind = str(error["type"])
    if kind in _RANGE and "minimum" in schema and "maximum" in schema:
        return f"Enter a number from {schema['minimum']} to {schema['maximum']}."
    if schema.get("format") == NAIVE and kind.startswith("datetime_") and kind not in _SENTENCES:
        kind = "timezone_naive"
    if kind == "string_pattern_mismatch":
        return _expected_form(error["ctx"]["pattern"], schema)
    if kind in _SENTENCES:
        return _SENTENCES[kind](error.get("ctx", {}))
    for start, text in _STARTS.items():
        if kind.startswith(start):
            is_short = schema.get("format") == "duration" and "examples" in schema
            return text.replace(": ", f": {SHORT_DURATIONS}, ") if is_short else text
    return _sentence(str(error["msg"]).replace("Input should", "It should"))


def _expected_form(pattern: str, schema: Mapping[str, Any]) -> str:
    """Explain a pattern by the field's description and example; itself, if it has neither."""
    description, examples = str(schema.get("description", "")).rstrip("."), schema.get("examples") or ()
    if not description and not examples:
        return f"Enter text of the form {pattern}"
    return f"This does not have the expected form{f': {description}' if description else ''}{f', e.g. {examples[0]}' if examples else ''}."


def _place(inner: Sequence[str | int]) -> str:
    return "".join(f"Item {part + 1}: " if isinstance(part, int) else f"{part}: " for part in inner if part != "[key]")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _sentence(text: str) -> str:
    text = text.strip() or "Not accepted"
    return (text[0].upper() + text[1:]).rstrip(".") + "."


def invalid(problems: dict[str, str], places: dict[str, str] | None = None) -> InvalidArguments:
    """Return the error of these problems by field."""
    # a name may contain characters that no page or terminal can show
    problems = {storable(field): storable(text) for field, text in problems.items()}
    error = InvalidArguments("", errors=problems, places=places)
    error.args = ("; ".join(f"{place}: {text}" for place, text in error.located.items()),)
    return error
