"""From the texts a browser sends to the values of parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from src.settings import get_settings
from src.web.forms.fields import Field, Kind

#: behind a checkbox's name: a browser sends nothing for an empty one, this says that the form had it
PRESENT = "-present"


@dataclass(slots=True)
class Reading:
    """What a request holds: values by parameter, the texts as typed, and what could not be read."""

    values: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


class _Unreadable(Exception):
    """The text is no value of this kind; the message says the cure."""


def read(fields: Sequence[Field], sent: MultiDict[str, str]) -> Reading:
    """Read the fields' values; one that is absent is left to the function's default."""
    reading = Reading()
    for each in fields:
        text = sent.get(each.name)
        if each.kind is Kind.CHECKBOX:
            if text is not None or each.name + PRESENT in sent:
                reading.values[each.name] = text is not None
                reading.texts[each.name] = "true" if text is not None else ""
            continue
        if text is None:
            continue
        # A password typed wrong is typed again: it never travels back.
        reading.texts[each.name] = "" if each.kind is Kind.PASSWORD else text
        try:
            _read_text(each, text.replace("\r\n", "\n"), reading.values)
        except _Unreadable as problem:
            reading.errors[each.name] = str(problem)
    return reading


def _read_text(each: Field, text: str, values: dict[str, Any]) -> None:
    if text.strip() == "" and not _keeps_empty(each):
        if each.nullable and (each.required or each.default is not None):
            values[each.name] = None  # before validation: '' is no date, number or choice
        return
    values[each.name] = _READERS.get(each.kind, _as_text)(each, text)


def _keeps_empty(each: Field) -> bool:
    """Is an empty input a value of its own? For a list it is the empty list; for text with a default, the empty text."""
    if each.kind is Kind.LINES:
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


def _instant(each: Field, text: str) -> str:
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    return (instant.replace(tzinfo=ZoneInfo(get_settings().timezone)) if instant.tzinfo is None else instant).isoformat()


def _json(each: Field, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _Unreadable(f"This is not JSON{place}. Text stands in double quotes.") from None


_READERS: dict[Kind, Callable[[Field, str], Any]] = {
    Kind.NUMBER: _stripped,
    Kind.DECIMAL: _stripped,
    Kind.RADIOS: _choice,
    Kind.SELECT: _choice,
    Kind.DATE: _stripped,
    Kind.TIME: _stripped,
    Kind.INSTANT: _instant,
    Kind.LINES: _lines,
    Kind.JSON: _json,
}
