"""Form field: widget, value and nested fields."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any

from ...sql.columns import same_json
from ..format.instants import write_local

#: marks a missing value, so that the function's default applies
ABSENT: Any = object()
#: suffixes of names: input was present (an empty checkbox sends nothing); group is set; number of rows; zone of a time
PRESENT, GIVEN, ROWS, ZONE = "-present", "-given", "-rows", "-zone"
#: suffixes for files: uploaded before, and removed
KEPT, GONE = "-kept", "-gone"
#: suffix for an item of a list as a command gives it, which may contain line breaks
LINE = "-line"
#: suffix for a control that cannot hold its value: the value as JSON; empty: the value was absent
WAS = "-was"
#: attribute of a time without a zone
NO_ZONE = {"data-zone": "none"}
#: maximum rows of a list in a form; a longer list is edited as JSON
MOST_ROWS = 100

NUMBER = re.compile(r"-?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,3})?)?"
_DATE = r"\d{4}-\d\d-\d\d"
#: characters that HTML cannot hold: NUL and lone surrogates
_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")


class Kind(StrEnum):
    """Widgets; templates have a macro for each."""

    TEXT = "text"
    LONG = "long"
    NUMBER = "number"
    DECIMAL = "decimal"
    CHECKBOX = "checkbox"
    RADIOS = "radios"
    SELECT = "select"
    DATE = "date"
    INSTANT = "instant"
    TIME = "time"
    LINES = "lines"
    PASSWORD = "password"
    JSON = "json"
    CHECKBOXES = "checkboxes"
    GROUP = "group"
    ROWS = "rows"
    FILE = "file"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice; `text` is its form value."""

    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class Field:
    """The form field of one parameter. `text` is the initial content of the input."""

    name: str
    label: str
    kind: Kind
    hint: str = ""
    required: bool = True
    nullable: bool = False
    default: Any = None
    text: str = ""
    choices: tuple[Choice, ...] = ()
    #: HTML attributes: min, max, step, maxlength …
    attributes: Mapping[str, Any] = field(default_factory=dict)
    #: nested fields of a group (names prefixed with the group's name and a dot), or one group per row (named by number)
    children: tuple[Field, ...] = ()
    #: template of a new row, with `#` for its number
    blank: Field | None = None
    #: time zone of the input; empty: that of the settings
    zone: str = ""
    #: secret: submitted values are never sent back to the browser
    hides: bool = False
    #: hidden input with the original value, for a control that cannot hold it (see WAS); None: it can
    was: str | None = None

    @property
    def is_group(self) -> bool:
        """True if the field has several inputs, so that its label is a legend."""
        return self.kind in (Kind.RADIOS, Kind.CHECKBOXES, Kind.GROUP, Kind.ROWS)

    @property
    def has_none(self) -> bool:
        """True if radio buttons offer "not set"."""
        return self.nullable or (not self.required and self.default is None)

    @property
    def has_zone(self) -> bool:
        """True if a time has its own zone input; times of a schedule use the schedule's zone, and some have none."""
        return "data-zone" not in self.attributes

    @property
    def chosen(self) -> str:
        """The text of the selected choice; empty: none."""
        return next((choice.text for choice in self.choices if choice.text == self.text), "")

    @property
    def is_structure(self) -> bool:
        """True for a model or a list of models."""
        return self.kind in (Kind.GROUP, Kind.ROWS)

    @property
    def has_switch(self) -> bool:
        """True if a group is optional, so that it has a checkbox."""
        return self.kind is Kind.GROUP and (self.nullable or (not self.required and self.default is None))

    @property
    def is_file(self) -> bool:
        """True for one or several files."""
        return self.kind in (Kind.FILE, Kind.FILES)

    @property
    def kept(self) -> list[dict[str, Any]]:
        """The references of its files."""
        held = json.loads(self.text) if self.is_file and self.text else []
        return [each if isinstance(each, dict) else {"id": each} for each in (held if isinstance(held, list) else [held])]

    @property
    def own_name(self) -> str:
        """The name within its group."""
        return self.name.rpartition(".")[2]

    @property
    def whole_label(self) -> str:
        """The label with its path: "Items 1 › Name"."""
        *outer, _ = self.name.split(".")
        words = [str(int(part) + 1) if part.isdecimal() else f"› {part.replace('_', ' ').capitalize()}" for part in outer]
        return " ".join([*words, "›", self.label]).removeprefix("› ") if outer else self.label

    def row(self, number: int) -> Field:
        """Build a new row with this number, from 0."""
        assert self.blank is not None
        return renamed(self.blank, self.blank.name, f"{self.name}.{number}")

    @property
    def input_id(self) -> str:
        """The id of the first input, target of the error summary."""
        return f"field-{self.name}"


def every(fields: Sequence[Field]) -> Iterator[Field]:
    """All fields including nested ones, in page order."""
    for each in fields:
        yield each
        yield from every(each.children)


def takes_files(fields: Sequence[Field]) -> bool:
    """True if any field is a file, or a row that may contain one."""
    return any(each.is_file or (each.blank is not None and takes_files([each.blank])) for each in every(fields))


def renamed(each: Field, old: str, new: str) -> Field:
    """Rename the field and all nested fields to another prefix."""
    children = tuple(renamed(child, old, new) for child in each.children)
    blank = None if each.blank is None else renamed(each.blank, old, new)
    return replace(each, name=new + each.name[len(old) :], children=children, blank=blank)


def holding(each: Field, value: Any) -> Field:
    """The field with this text, in a control that can show it: multi-line text gets a textarea."""
    if each.is_structure:
        return replace(each, kind=Kind.JSON, children=(), blank=None, choices=(), attributes={}, text=write(Kind.JSON, value))
    if each.choices:
        values = value if each.kind is Kind.CHECKBOXES and isinstance(value, list) else [value]
        return replace(each, text="\n".join(choice.text for choice in each.choices if any(identical(choice.value, one) for one in values)))
    if value is None:
        return replace(each, text="null" if each.kind is Kind.JSON and not each.nullable else "")
    if each.kind is Kind.CHECKBOX:
        return replace(each, text="true" if value else "")
    text = _shown(write_local(choice_text(value), each.zone) if each.kind is Kind.INSTANT else write(each.kind, value))
    kind = _control(each.kind, text, value)
    return replace(
        each, kind=kind, text=text if kind is not Kind.JSON else write(kind, value), attributes=each.attributes if kind is each.kind else {}
    )


def _control(kind: Kind, text: str, value: Any) -> Kind:
    """The control for this text: that of its kind, or one that does not alter the text."""
    if kind is Kind.LINES and not (isinstance(value, list) and all(_is_line(each) for each in value)):
        return Kind.JSON
    if text and not keeps(kind, text):
        kind = Kind.DECIMAL if kind is Kind.NUMBER else Kind.TEXT
    one_line = kind in (Kind.TEXT, Kind.DECIMAL)
    return Kind.LONG if one_line and ("\n" in text or "\r" in text) else kind


def keeps(kind: Kind, text: str) -> bool:
    """True if a browser keeps this text in an input of this kind; it clears invalid values."""
    match kind:
        case Kind.NUMBER:
            return bool(NUMBER.fullmatch(text)) and math.isfinite(float(text))
        case Kind.TIME:
            return bool(re.fullmatch(_TIME, text, re.ASCII))
        case Kind.DATE:
            return bool(re.fullmatch(_DATE, text, re.ASCII)) and _is_date(text)
        case Kind.INSTANT:
            return bool(re.fullmatch(f"{_DATE}T{_TIME}", text, re.ASCII)) and _is_date(text[:10])
    return True


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_line(value: Any) -> bool:
    text = choice_text(value)
    return bool(text) and text == text.strip() and "\n" not in text and "\r" not in text and not isinstance(value, dict | list)


def identical(one: Any, other: Any) -> bool:
    """True if both are the same JSON value: unlike in Python, 1, 1.0 and true differ."""
    if one is ABSENT or other is ABSENT:
        return one is other
    return same_json(one, other)


def write(kind: Kind, value: Any) -> str:
    """The text of a value in a control of this kind."""
    if kind in (Kind.JSON, Kind.FILE, Kind.FILES):
        text = json.dumps(value, ensure_ascii=False)
        return json.dumps(value) if _NO_CHARACTER.search(text) else text
    if kind is Kind.LINES and isinstance(value, list):
        return "\n".join(choice_text(each) for each in value)
    return choice_text(value)


def choice_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shown(text: str) -> str:
    return _NO_CHARACTER.sub("\ufffd", text)
