"""From the texts a browser sends to the values of parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import MultiDict

from src.jobs.errors import JobsError
from src.jobs.values import loads
from src.web.forms.field import GIVEN, GONE, KEPT, PRESENT, ROWS, ZONE, Field, Kind
from src.web.instants import zoned

#: the button that asks for one more row of the list it names
MORE = "form-more"
#: rows of one list that a form shows; longer ones are for the API
MOST_ROWS = 100
_ABSENT: Any = object()


@dataclass(slots=True)
class Reading:
    """What a request holds: values by parameter, the texts as typed, and what could not be read."""

    values: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def take(self, other: Reading, old: str = "", new: str = "") -> None:
        """Add what another has read, its names that begin with `old` beginning with `new`."""
        self.texts |= {new + name.removeprefix(old): text for name, text in other.texts.items()}
        self.errors |= {new + name.removeprefix(old): text for name, text in other.errors.items()}


class _Unreadable(Exception):
    """The text is no value of this kind; the message says the cure."""


def read(fields: Sequence[Field], sent: MultiDict[str, str]) -> Reading:
    """Read the fields' values; one that is absent is left to the function's default."""
    reading = Reading()
    for each in fields:
        value = _read(each, sent, reading)
        if value is not _ABSENT:
            reading.values[each.own_name] = value
    return reading


def add_row(reading: Reading, name: str) -> None:
    """Ask for one more row of the list of this name; the errors of what is not filled in yet are nobody's business."""
    if name + ROWS in reading.texts:
        reading.texts[name + ROWS] = str(min(int(reading.texts[name + ROWS]) + 1, MOST_ROWS))


def _read(each: Field, sent: MultiDict[str, str], reading: Reading) -> Any:
    if each.kind in (Kind.GROUP, Kind.ROWS) and each.name not in sent:
        return (_group if each.kind is Kind.GROUP else _rows)(each, sent, reading)
    if each.is_file:
        return _files(each, sent, reading)
    text = sent.get(each.name)
    if each.kind is Kind.CHECKBOX:
        if text is None and each.name + PRESENT not in sent:
            return _ABSENT
        reading.texts[each.name] = "true" if text is not None else ""
        return text is not None
    if each.kind is Kind.CHECKBOXES:
        if text is None and each.name + PRESENT not in sent:
            return _ABSENT
        text = "\n".join(sent.getlist(each.name))
    if text is None:
        return _ABSENT
    # A secret typed wrong is typed again: it never travels back.
    reading.texts[each.name] = "" if each.hides else text
    if each.name + ZONE in sent:
        reading.texts[each.name + ZONE] = sent[each.name + ZONE]
    try:
        return _read_text(each, text.replace("\r\n", "\n"), sent)
    except _Unreadable as problem:
        reading.errors[each.name] = str(problem)
        return _ABSENT


def _read_text(each: Field, text: str, sent: MultiDict[str, str]) -> Any:
    if text.strip() == "" and not _keeps_empty(each):
        return _nothing(each)  # before validation: '' is no date, number or choice
    if each.kind is Kind.INSTANT:
        try:
            return zoned(text, sent.get(each.name + ZONE, "").strip())
        except JobsError as error:
            raise _Unreadable(str(error)) from None
    return _READERS.get(each.kind, _as_text)(each, text)


def _nothing(each: Field) -> Any:
    """What an empty input stands for: None where that may be said and is not the default already, else nothing."""
    return None if each.nullable and (each.required or each.default is not None) else _ABSENT


def _group(each: Field, sent: MultiDict[str, str], reading: Reading) -> Any:
    if each.name + PRESENT not in sent and not any(name.startswith(each.name + ".") for name in sent):
        return _ABSENT
    inner = read(each.children, sent)
    if each.name + PRESENT in sent:
        given = not each.has_switch or each.name + GIVEN in sent
    else:  # not from a page: a group is given by giving anything of it
        given = any(name.startswith(each.name + ".") and text.strip() for name, text in sent.items())
    inner.texts[each.name] = "true" if given else ""
    if not given:
        inner.errors.clear()
    reading.take(inner)
    return inner.values if given else _nothing(each)


def _files(each: Field, sent: MultiDict[str, str], reading: Reading) -> Any:
    """References of files: those brought now, and those brought before that are still wanted."""
    if not any(name in sent for name in (each.name, each.name + KEPT, each.name + PRESENT)):
        return _ABSENT
    new = [text for text in sent.getlist(each.name) if text.strip()]
    kept = [text for text in sent.getlist(each.name + KEPT) if text not in sent.getlist(each.name + GONE)]
    several = each.kind is Kind.FILES
    chosen: list[Any] = []
    for text in [*kept, *new] if several else (new or kept)[-1:]:
        try:
            value = loads(text) if text.lstrip().startswith(("{", "[")) else text.strip()
        except (ValueError, RecursionError):
            reading.errors[each.name] = "Choose a file."
            return _ABSENT
        chosen += value if several and isinstance(value, list) else [value]
    reading.texts[each.name] = json.dumps(chosen if several else chosen[0]) if chosen else ""
    if not chosen:
        return [] if several and each.required and not each.nullable else _nothing(each)
    return chosen if several else chosen[0]


def _rows(each: Field, sent: MultiDict[str, str], reading: Reading) -> Any:
    number = sent.get(each.name + ROWS, "")
    if not number.isdecimal():
        return _ABSENT
    values = []
    for index in range(min(int(number[:4]), MOST_ROWS)):
        row = each.row(index)
        if row.name + GONE in sent:
            continue
        inner = Reading()
        values.append(_read(row, sent, inner))
        reading.take(inner, row.name, f"{each.name}.{len(values) - 1}")
    reading.texts[each.name + ROWS] = str(len(values))
    return _nothing(each) if each.nullable and not values else [{} if value is _ABSENT else value for value in values]


def _keeps_empty(each: Field) -> bool:
    """Is an empty input a value of its own? For a list it is the empty list; for text with a default, the empty text."""
    if each.kind in (Kind.LINES, Kind.CHECKBOXES):
        return not each.nullable
    return each.kind in (Kind.TEXT, Kind.LONG) and not each.required and not each.nullable


def _as_text(each: Field, text: str) -> str:
    return text


def _stripped(each: Field, text: str) -> str:
    return text.strip()


def _choice(each: Field, text: str) -> Any:
    # What is none of the choices goes on as it is: the check words the error.
    return next((choice.value for choice in each.choices if choice.text == text), text)


def _lines(each: Field, text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _several(each: Field, text: str) -> list[Any]:
    return [_choice(each, line) for line in text.split("\n") if line]


def _json(each: Field, text: str) -> Any:
    try:
        return loads(text)
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _Unreadable(f"This is not JSON{place}. Text stands in double quotes.") from None


_READERS: dict[Kind, Callable[[Field, str], Any]] = {
    Kind.NUMBER: _stripped,
    Kind.DECIMAL: _stripped,
    Kind.RADIOS: _choice,
    Kind.SELECT: _choice,
    Kind.CHECKBOXES: _several,
    Kind.DATE: _stripped,
    Kind.TIME: _stripped,
    Kind.LINES: _lines,
    Kind.JSON: _json,
    Kind.GROUP: _json,
    Kind.ROWS: _json,
}
