"""One parameter, one field: which widget it gets, with which bounds, label and hint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from src.broker.signature import Signature

Schema = Mapping[str, Any]

#: choices up to this many are radio buttons, more a list to pick from
RADIO_LIMIT = 5
#: text that may be longer than this gets several lines
LONG_TEXT = 300


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

    @property
    def is_group(self) -> bool:
        """Is it made of several inputs, so that its label is a legend?"""
        return self.kind is Kind.RADIOS

    @property
    def input_id(self) -> str:
        """The id of the (first) input: where the error summary leads."""
        return f"field-{self.name}"


def fields_of(signature: Signature) -> list[Field]:
    """The fields of an actor's form, in the order of its parameters."""
    whole = signature.json_schema()
    return [_field(name, schema, whole) for name, schema in whole["properties"].items()]


def _field(name: str, schema: Schema, whole: Schema) -> Field:
    core, nullable = _without_null(_resolve(schema, whole), whole)
    kind = _kind(core)
    choices = tuple(Choice(_choice_text(value), value) for value in core.get("enum", [core["const"]] if "const" in core else ()))
    if core.get("type") == "boolean" and kind is Kind.CHECKBOX and nullable:
        kind, choices = Kind.SELECT, (Choice("yes", True), Choice("no", False))
    default = schema.get("default")
    own_title = schema.get("title") if "$ref" not in schema else None
    return Field(
        name=name,
        label=_label(name, own_title),
        kind=kind,
        hint=" ".join(part for part in (schema.get("description", ""), _KIND_HINTS.get(kind, "")) if part),
        required=name in whole.get("required", ()),
        nullable=nullable,
        default=default,
        text="" if default is None else write(kind, default),
        choices=choices,
        attributes=_attributes(kind, core),
    )


def write(kind: Kind, value: Any) -> str:
    """The text by which a widget of this kind shows a value."""
    if kind is Kind.JSON:
        return json.dumps(value, ensure_ascii=False)
    if kind is Kind.LINES:
        return "\n".join(str(each) for each in value)
    if kind is Kind.INSTANT:
        return str(value)[:16]
    return _choice_text(value)


_KIND_HINTS = {Kind.JSON: 'JSON, e.g. 5, "text" or [1, 2].', Kind.LINES: "One per line."}
_FORMATS = {"date": Kind.DATE, "date-time": Kind.INSTANT, "time": Kind.TIME, "password": Kind.PASSWORD}
_SCALARS = {"integer": Kind.NUMBER, "number": Kind.NUMBER, "boolean": Kind.CHECKBOX}


def _kind(core: Schema) -> Kind:
    if "enum" in core or "const" in core:
        return Kind.RADIOS if len(core.get("enum", ())) <= RADIO_LIMIT else Kind.SELECT
    if {each.get("type") for each in core.get("anyOf", ())} == {"number", "string"}:
        return Kind.DECIMAL
    type = core.get("type")
    if type == "string":
        long = core.get("maxLength", 0) > LONG_TEXT
        return _FORMATS.get(core.get("format", ""), Kind.LONG if long else Kind.TEXT)
    if type == "array" and core.get("items", {}).get("type") in ("string", "integer", "number") and "prefixItems" not in core:
        return Kind.LINES
    return _SCALARS.get(str(type), Kind.JSON)


def _attributes(kind: Kind, core: Schema) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    if kind is Kind.NUMBER:
        whole = core["type"] == "integer"
        attributes = {"step": core.get("multipleOf", 1) if whole else "any", "inputmode": "numeric" if whole else "decimal"}
        bounds = {"min": core.get("minimum"), "max": core.get("maximum")}
        if whole and "exclusiveMinimum" in core:
            bounds["min"] = core["exclusiveMinimum"] + 1
        if whole and "exclusiveMaximum" in core:
            bounds["max"] = core["exclusiveMaximum"] - 1
        attributes.update({name: bound for name, bound in bounds.items() if bound is not None})
    if kind is Kind.DECIMAL:
        attributes["inputmode"] = "decimal"
    if kind in (Kind.TEXT, Kind.LONG, Kind.PASSWORD) and "maxLength" in core:
        attributes["maxlength"] = core["maxLength"]
    if kind is Kind.PASSWORD:
        attributes["autocomplete"] = "new-password"
    if kind is Kind.TIME:
        attributes["step"] = 1
    return attributes


def _resolve(schema: Schema, whole: Schema) -> Schema:
    if "$ref" in schema:
        target: Schema = whole["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        return _resolve(target, whole)
    return schema


def _without_null(schema: Schema, whole: Schema) -> tuple[Schema, bool]:
    branches = [_resolve(each, whole) for each in schema.get("anyOf", ())]
    others = [each for each in branches if each.get("type") != "null"]
    if len(others) == len(branches):
        return schema, False
    return (others[0] if len(others) == 1 else {"anyOf": others}), True


def _label(name: str, title: str | None) -> str:
    # pydantic makes a title of each name ("Widget Id"); a title of the developer's own stands as it is.
    words = name.replace("_", " ").strip() or name
    return title if title and title.lower() != words.lower() else words[0].upper() + words[1:]


def _choice_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
