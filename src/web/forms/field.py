"""A field of a form: its widget, what it holds, and the fields within it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from src.web.instants import write_local

#: behind a name: the form had this input, which sends nothing when it is empty; this group is given; so many rows; the zone of an instant
PRESENT, GIVEN, ROWS, ZONE = "-present", "-given", "-rows", "-zone"
#: the same of files: one that was brought before, and that it is not wanted any more
KEPT, GONE = "-kept", "-gone"


class Kind(StrEnum):
    """The widgets; templates have a macro for each."""

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
    """One value to choose from; `text` stands for it in the form."""

    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class Field:
    """What a form asks for one parameter. `text` is what the input holds at first."""

    name: str
    label: str
    kind: Kind
    hint: str = ""
    required: bool = True
    nullable: bool = False
    default: Any = None
    text: str = ""
    choices: tuple[Choice, ...] = ()
    #: attributes of the input: min, max, step, maxlength …
    attributes: Mapping[str, Any] = field(default_factory=dict)
    #: of a group: its fields, whose names begin with its own and a dot; of rows: one group each, named by number
    children: tuple[Field, ...] = ()
    #: of rows: what a new one looks like, with `#` where its number will be
    blank: Field | None = None
    #: of an instant: the zone it is typed in; empty: that of the settings
    zone: str = ""
    #: what was typed never travels back to the browser
    hides: bool = False

    @property
    def is_group(self) -> bool:
        """Is it made of several inputs, so that its label is a legend?"""
        return self.kind in (Kind.RADIOS, Kind.CHECKBOXES, Kind.GROUP, Kind.ROWS)

    @property
    def has_switch(self) -> bool:
        """May a group be left out, so that it has a checkbox that says whether it is given?"""
        return self.kind is Kind.GROUP and (self.nullable or (not self.required and self.default is None))

    @property
    def is_file(self) -> bool:
        """Is it one file, or several?"""
        return self.kind in (Kind.FILE, Kind.FILES)

    @property
    def kept(self) -> list[dict[str, Any]]:
        """The files that it holds, as references."""
        held = json.loads(self.text) if self.is_file and self.text else []
        return [each if isinstance(each, dict) else {"id": each} for each in (held if isinstance(held, list) else [held])]

    @property
    def own_name(self) -> str:
        """Its name within its group."""
        return self.name.rpartition(".")[2]

    @property
    def whole_label(self) -> str:
        """The label with what it is within: "Items 1 › Name"."""
        *outer, _ = self.name.split(".")
        words = [str(int(part) + 1) if part.isdecimal() else f"› {part.replace('_', ' ').capitalize()}" for part in outer]
        return " ".join([*words, "›", self.label]).removeprefix("› ") if outer else self.label

    def row(self, number: int) -> Field:
        """A new row of this number, from 0."""
        assert self.blank is not None
        return renamed(self.blank, self.blank.name, f"{self.name}.{number}")

    @property
    def input_id(self) -> str:
        """The id of the (first) input: where the error summary leads."""
        return f"field-{self.name}"


def every(fields: Sequence[Field]) -> Iterator[Field]:
    """The fields with all within them, as they stand on the page."""
    for each in fields:
        yield each
        yield from every(each.children)


def takes_files(fields: Sequence[Field]) -> bool:
    """Is any of them a file, or a row that may have one?"""
    return any(each.is_file or (each.blank is not None and takes_files([each.blank])) for each in every(fields))


def renamed(each: Field, old: str, new: str) -> Field:
    """The field and all within it with another beginning of their names."""
    children = tuple(renamed(child, old, new) for child in each.children)
    blank = None if each.blank is None else renamed(each.blank, old, new)
    return replace(each, name=new + each.name[len(old) :], children=children, blank=blank)


def valued(each: Field, value: Any) -> Field:
    """The field, holding a value as JSON has it."""
    if each.kind is Kind.GROUP:
        given = value if isinstance(value, Mapping) else {}
        children = tuple(valued(child, given[child.own_name]) if child.own_name in given else child for child in each.children)
        return replace(each, text="" if value is None else "true", children=children)
    if each.kind is Kind.ROWS:
        rows = value if isinstance(value, list) else []
        return replace(each, children=tuple(valued(each.row(number), row) for number, row in enumerate(rows)))
    if value is None:
        return replace(each, text="")
    if each.kind is Kind.CHECKBOX:
        return replace(each, text="true" if value else "")
    chosen = next((choice.text for choice in each.choices if choice.value == value and type(choice.value) is type(value)), None)
    return replace(each, text=chosen if chosen is not None else write(each.kind, value))


def retyped(each: Field, texts: Mapping[str, str]) -> Field:
    """The field as it was sent, by the texts of a Reading."""
    children = each.children
    if each.kind is Kind.ROWS:
        rows = [each.row(number) for number in range(int(texts.get(each.name + ROWS, "0")))]
        # A row that was just added holds what is given first.
        children = tuple(retyped(row, texts) if any(name.startswith(row.name + ".") for name in texts) else row for row in rows)
    else:
        children = tuple(retyped(child, texts) for child in children)
    return replace(each, text=texts.get(each.name, ""), zone=texts.get(each.name + ZONE, each.zone), children=children)


def write(kind: Kind, value: Any) -> str:
    """The text by which a widget of this kind shows a value."""
    if kind in (Kind.JSON, Kind.FILE, Kind.FILES):
        return json.dumps(value, ensure_ascii=False)
    if kind in (Kind.LINES, Kind.CHECKBOXES):
        return "\n".join(choice_text(each) for each in value)
    if kind is Kind.INSTANT:
        return write_local(str(value))
    return choice_text(value)


def choice_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
