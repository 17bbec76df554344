"""Model of the request that a browser sends for an untouched form, by the HTML rules; verified against Chromium in tests/browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from werkzeug.datastructures import MultiDict

from ...settings import get_settings
from .field import GIVEN, KEPT, PRESENT, ROWS, WAS, ZONE, Field, Kind, keeps

_TEXTAREAS = (Kind.LONG, Kind.LINES, Kind.JSON)


def sent(fields: Sequence[Field]) -> MultiDict[str, str]:
    """Names and values of these fields in a request."""
    return MultiDict(pair for each in fields for pair in _pairs(each))


def _pairs(each: Field) -> Iterator[tuple[str, str]]:
    if each.was is not None:
        yield each.name + WAS, each.was
    match each.kind:
        case Kind.GROUP:
            yield from _group(each)
        case Kind.ROWS:
            yield each.name + ROWS, str(len(each.children))
            for row in each.children:
                yield from _pairs(row)
        case Kind.CHECKBOX:
            yield each.name + PRESENT, "1"
            if each.text == "true":
                yield each.name, "true"
        case Kind.CHECKBOXES:
            yield each.name + PRESENT, "1"
            yield from ((each.name, choice.text) for choice in each.choices if choice.text in each.text.split("\n"))
        case Kind.RADIOS:
            if each.has_none or each.chosen:
                yield each.name, each.chosen
        case Kind.SELECT:
            yield each.name, each.chosen
        case Kind.FILE | Kind.FILES:
            yield each.name + PRESENT, "1"
            yield from ((each.name + KEPT, json.dumps(kept)) for kept in each.kept)
        case _:
            yield each.name, _textarea(each.text) if each.kind in _TEXTAREAS else _input(each.kind, each.text)
            if each.kind is Kind.INSTANT and each.has_zone:
                yield each.name + ZONE, each.zone or get_settings().timezone


def _group(each: Field) -> Iterator[tuple[str, str]]:
    yield each.name + PRESENT, "1"
    if each.has_switch and each.text == "true":
        yield each.name + GIVEN, "1"
    for child in each.children:
        yield from _pairs(child)


def _textarea(text: str) -> str:
    """Convert every line break to CRLF."""
    return re.sub("\r\n?|\n", "\r\n", text)


def _input(kind: Kind, text: str) -> str:
    """Sanitise the value of an input as browsers do: one line, valid for the type; times in their shortest form."""
    text = re.sub("[\r\n]", "", text)
    if text and not keeps(kind, text):
        return ""
    return re.sub(r"(:00)?(\.0+)?$", "", re.sub(r"(\.\d*[1-9])0+$", r"\1", text)) if kind is Kind.INSTANT and text.count(":") == 2 else text
