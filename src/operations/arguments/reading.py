"""Parsing of submitted form texts into parameter values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import time
from typing import Any

from werkzeug.datastructures import MultiDict

from ...jobs.core.errors import JobsError
from ...jobs.core.values import loads
from ..format.instants import zoned
from . import untouched_form
from .field import ABSENT, GIVEN, GONE, KEPT, LINE, MOST_ROWS, NO_ZONE, NUMBER, PRESENT, ROWS, WAS, ZONE, Field, Kind, holding, identical

#: button that adds a row to the list it names
MORE = "form-more"


@dataclass(slots=True)
class Reading:
    """A parsed request: values by parameter, submitted texts, and errors."""

    values: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def take(self, other: Reading, old: str = "", new: str = "") -> None:
        """Merge another reading, with the name prefix `old` replaced by `new`."""
        self.texts |= {new + name.removeprefix(old): text for name, text in other.texts.items()}
        self.errors |= {new + name.removeprefix(old): text for name, text in other.errors.items()}


class _Unreadable(Exception):
    """The text is not a valid value of this kind; the message says the cure."""


def read(fields: Sequence[Field], sent: MultiDict[str, str]) -> Reading:
    """Parse the fields; a missing value is left to the function's default."""
    reading = Reading()
    for each in fields:
        value = _read(each, sent, reading)
        if value is not ABSENT:
            reading.values[each.own_name] = value
    return reading


def valued(each: Field, value: Any) -> Field:
    """The field with a JSON value, or unchanged if the value is ABSENT.

    A value that the control would alter is kept in a hidden input, see WAS.
    """
    shown = replace(each if value is ABSENT else _holding(each, value), was=None)
    if each.hides:
        return shown
    untouched = _control(shown, untouched_form.sent([shown]), Reading())
    if shown.kind is each.kind and identical(untouched, value):
        return shown
    return replace(shown, was="" if value is ABSENT else json.dumps(value))


def _holding(each: Field, value: Any) -> Field:
    if each.kind is Kind.GROUP and value is None:
        return replace(each, text="")
    if each.kind is Kind.GROUP and isinstance(value, dict):
        known = [valued(child, value[child.own_name]) if child.own_name in value else child for child in each.children]
        return replace(each, text="true", children=tuple(known))
    if each.kind is Kind.ROWS and value is None:
        return replace(each, children=())
    if each.kind is Kind.ROWS and isinstance(value, list) and len(value) <= MOST_ROWS and all(isinstance(row, dict) for row in value):
        return replace(each, children=tuple(valued(each.row(number), row) for number, row in enumerate(value)))
    return holding(each, value)


def retyped(each: Field, texts: Mapping[str, str]) -> Field:
    """The field with the submitted texts of a Reading."""
    each = _remembered(each, texts[each.name + WAS])[0] if each.name + WAS in texts else replace(each, was=None)
    children = each.children
    if each.kind is Kind.ROWS:
        rows = [each.row(number) for number in range(int(texts.get(each.name + ROWS, "0")))]
        # A newly added row holds the defaults.
        children = tuple(retyped(row, texts) if any(name.startswith(row.name + ".") for name in texts) else row for row in rows)
    else:
        children = tuple(retyped(child, texts) for child in children)
    return replace(each, text=texts.get(each.name, ""), zone=texts.get(each.name + ZONE, each.zone), children=children)


def _remembered(each: Field, was: str) -> tuple[Field, Any]:
    """The field as first shown, restored from its hidden input, and its value."""
    try:
        value = json.loads(was) if was else ABSENT
    except (ValueError, RecursionError):
        return replace(each, was=None), None  # not from our page: ignore the marker
    return valued(each, value), value


def add_row(reading: Reading, name: str) -> None:
    """Add a row to the list of this name and drop the errors, since the form is not complete yet."""
    if name + ROWS in reading.texts:
        reading.texts[name + ROWS] = str(min(int(reading.texts[name + ROWS]) + 1, MOST_ROWS))


def _read(each: Field, sent: MultiDict[str, str], reading: Reading) -> Any:
    """Parse the value; an untouched control keeps the original value, even one it cannot hold."""
    if each.name + WAS not in sent or each.hides:
        return _control(each, sent, reading)
    shown, before = _remembered(each, sent[each.name + WAS])
    now, untouched = Reading(), Reading()
    value = _control(shown, sent, now)
    if shown.was is not None:
        now.texts[each.name + WAS] = shown.was
        as_shown = _control(shown, untouched_form.sent([shown]), untouched)
        if identical(value, as_shown) and now.errors == untouched.errors:
            now.errors.clear()
            value = before
        elif isinstance(value, dict) and isinstance(before, dict):
            # Keep the fields of a model that the form does not show.
            value = {name: more for name, more in before.items() if name not in {child.own_name for child in shown.children}} | value
    reading.take(now)
    return value


def _control(each: Field, sent: MultiDict[str, str], reading: Reading) -> Any:
    if each.kind is Kind.GROUP and _has_parts(each, sent) and sent.get(each.name, "").strip():
        reading.errors[each.name] = "Give it as a whole or field by field, not both."
        return ABSENT
    if each.kind is Kind.GROUP and (each.name not in sent or _has_parts(each, sent)):
        return _group(each, sent, reading)
    if each.kind is Kind.ROWS and each.name not in sent:
        return _rows(each, sent, reading)
    if each.is_file:
        return _files(each, sent, reading)
    if each.name + LINE in sent:
        return [_number(each, line) if "inputmode" in each.attributes else line for line in sent.getlist(each.name + LINE)]
    text = sent.get(each.name)
    if each.kind is Kind.CHECKBOX:
        if text is None and each.name + PRESENT not in sent:
            return ABSENT
        reading.texts[each.name] = "true" if text is not None else ""
        return text is not None
    if each.kind is Kind.CHECKBOXES:
        if text is None and each.name + PRESENT not in sent:
            return ABSENT
        text = "\n".join(sent.getlist(each.name))
    if text is None:
        return ABSENT
    # A rejected secret must be entered again: it is never sent back.
    reading.texts[each.name] = "" if each.hides else text
    if each.name + ZONE in sent:
        reading.texts[each.name + ZONE] = sent[each.name + ZONE]
    try:
        return _read_text(each, text.replace("\r\n", "\n"), sent)
    except _Unreadable as problem:
        reading.errors[each.name] = str(problem)
        return ABSENT


def _read_text(each: Field, text: str, sent: MultiDict[str, str]) -> Any:
    if text.strip() == "" and not _keeps_empty(each):
        return _nothing(each)  # before validation, because '' is not a valid date, number or choice
    if each.kind is Kind.INSTANT and each.attributes.get("data-zone") != NO_ZONE["data-zone"]:
        try:
            return zoned(text, sent.get(each.name + ZONE, each.zone).strip())
        except JobsError as error:
            raise _Unreadable(str(error)) from None
    return _READERS.get(each.kind, _as_text)(each, text)


def _nothing(each: Field) -> Any:
    """The value of an empty input: None if the parameter is nullable with another default, else ABSENT."""
    return None if each.nullable and (each.required or each.default is not None) else ABSENT


def _group(each: Field, sent: MultiDict[str, str], reading: Reading) -> Any:
    if each.name + PRESENT not in sent and not any(name.startswith(each.name + ".") for name in sent):
        return ABSENT
    inner = read(each.children, sent)
    if each.name + PRESENT in sent:
        given = not each.has_switch or each.name + GIVEN in sent
    else:  # not from a page: a group is set if any of its fields is, and the others have their defaults
        given = _has_parts(each, sent)
        if given and isinstance(each.default, dict):
            inner.values = each.default | inner.values
    inner.texts[each.name] = "true" if given else ""
    if not given:
        inner.errors.clear()
    reading.take(inner)
    return inner.values if given else _nothing(each)


def _has_parts(each: Field, sent: MultiDict[str, str]) -> bool:
    """True if a field of the group is given."""
    return any(name.startswith(each.name + ".") and text.strip() for name, text in sent.items())


def _files(each: Field, sent: MultiDict[str, str], reading: Reading) -> Any:
    """References of the files uploaded now, and of those uploaded before and not removed."""
    if not any(name in sent for name in (each.name, each.name + KEPT, each.name + PRESENT)):
        return ABSENT
    new = [text for text in sent.getlist(each.name) if text.strip()]
    kept = [text for text in sent.getlist(each.name + KEPT) if text not in sent.getlist(each.name + GONE)]
    several = each.kind is Kind.FILES
    chosen: list[Any] = []
    for text in [*kept, *new] if several else (new or kept)[-1:]:
        try:
            value = loads(text) if text.lstrip().startswith(("{", "[")) else text.strip()
        except (ValueError, RecursionError):
            reading.errors[each.name] = "Choose a file."
            return ABSENT
        chosen += value if several and isinstance(value, list) else [value]
    reading.texts[each.name] = json.dumps(chosen if several else chosen[0]) if chosen else ""
    if not chosen:
        return [] if several and each.required and not each.nullable else _nothing(each)
    return chosen if several else chosen[0]


def _rows(each: Field, sent: MultiDict[str, str], reading: Reading) -> Any:
    number = sent.get(each.name + ROWS, "")
    if not number.isdecimal():
        return ABSENT
    values = []
    if int(number[:4]) > MOST_ROWS:
        reading.errors[each.name] = f"A form takes at most {MOST_ROWS} rows: use the API for more."
        return ABSENT
    for index in range(int(number[:4])):
        row = each.row(index)
        if row.name + GONE in sent:
            continue
        inner = Reading()
        values.append(_read(row, sent, inner))
        reading.take(inner, row.name, f"{each.name}.{len(values) - 1}")
    reading.texts[each.name + ROWS] = str(len(values))
    return _nothing(each) if each.nullable and not values else [{} if value is ABSENT else value for value in values]


def _keeps_empty(each: Field) -> bool:
    """True if an empty input is a value: the empty list, or the empty text for text with a default."""
    if each.kind in (Kind.LINES, Kind.CHECKBOXES):
        return not each.nullable
    return each.kind in (Kind.TEXT, Kind.LONG) and not each.required and not each.nullable


def _as_text(each: Field, text: str) -> str:
    return text


def _stripped(each: Field, text: str) -> str:
    return text.strip()


def _choice(each: Field, text: str) -> Any:
    # Pass an unknown choice on: the validation words the error.
    return next((choice.value for choice in each.choices if choice.text == text), text)


def _number(each: Field, text: str) -> Any:
    """Parse a number; pass other text on: the validation words the error."""
    text = text.strip()
    if each.attributes.get("inputmode") == "numeric" and "." in text:
        return text  # 1.000 is a thousand in half of Europe
    try:
        return loads(text) if NUMBER.fullmatch(text) else text
    except ValueError:  # such as .5, 007 or 1e400, or more digits than Python reads
        return text


def _time(each: Field, text: str) -> str:
    try:
        return time.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return text.strip()


def _lines(each: Field, text: str) -> list[Any]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return [_number(each, line) for line in lines] if "inputmode" in each.attributes else lines


def _several(each: Field, text: str) -> list[Any]:
    return [_choice(each, line) for line in text.split("\n") if line]


def _json(each: Field, text: str) -> Any:
    try:
        return loads(text)
    except json.JSONDecodeError as error:
        raise _Unreadable(f"Not valid JSON at line {error.lineno}, column {error.colno}. Text needs double quotes.") from None
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f"Not valid JSON: {error}.") from None


_READERS: dict[Kind, Callable[[Field, str], Any]] = {
    Kind.NUMBER: _number,
    Kind.DECIMAL: _stripped,
    Kind.RADIOS: _choice,
    Kind.SELECT: _choice,
    Kind.CHECKBOXES: _several,
    Kind.DATE: _stripped,
    Kind.INSTANT: _stripped,
    Kind.TIME: _time,
    Kind.LINES: _lines,
    Kind.JSON: _json,
    Kind.GROUP: _json,
    Kind.ROWS: _json,
}
