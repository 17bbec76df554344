"""Fields of an actor's parameters: widget, bounds, label and hint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...actor_schema.json_schemas import DECIMAL, NAIVE
from ...actor_schema.signature import Signature
from ...actor_schema.validation_messages import SHORT_DURATIONS
from ...jobs.files.upload import FORMAT, in_units
from .field import ABSENT, NO_ZONE, Choice, Field, Kind, choice_text
from .reading import valued

Schema = Mapping[str, Any]

#: maximum choices shown as radio buttons; more become a select
RADIO_LIMIT = 5
#: text with a greater maximum length gets a textarea
LONG_TEXT = 300
#: maximum depth of nested fieldsets; deeper values are edited as JSON
DEEPEST = 3


def fields_of(signature: Signature) -> list[Field]:
    """The fields of an actor's form, in the order of its parameters."""
    whole = signature.json_schema()
    required = whole.get("required", ())
    fields = [_field(name, schema, whole, name in required) for name, schema in whole["properties"].items()]
    return [_hiding(each) if each.name in signature.secrets else each for each in fields]


def filled(signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Field]:
    """The fields filled with stored arguments for an edit; secrets start empty and are unchanged if left empty."""
    known = signature.by_name(args, kwargs)
    fields = []
    for each in fields_of(signature):
        if each.kind is Kind.PASSWORD:
            fields.append(replace(each, text="", required=False, hint=f"{each.hint} Leave this empty to keep the current value.".strip()))
        elif each.name not in signature.secrets:  # a value that contains a secret is left unchanged
            fields.append(valued(each, known.get(each.name, ABSENT)))
    return fields


def changing(signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Field]:
    """The fields of a command that changes stored arguments: what is not given of a group stays as it is stored."""
    known = {name: value for name, value in signature.by_name(args, kwargs).items() if name not in signature.secrets}
    return [_defaulting(each, known[each.name]) if each.name in known else each for each in fields_of(signature)]


def _hiding(each: Field) -> Field:
    """Mark the fields of a parameter that may hold its secret: submitted values are never sent back."""
    blank = None if each.blank is None else _hiding(each.blank)
    hides = each.kind in (Kind.PASSWORD, Kind.JSON, Kind.LINES)
    return replace(each, hides=hides, blank=blank, children=tuple(_hiding(child) for child in each.children))


def _field(name: str, schema: Schema, whole: Schema, required: bool, depth: int = 0) -> Field:
    core, nullable = _without_null(_resolve(schema, whole), whole)
    kind, choices, blank = _kind(core), _choices(core), None
    children: tuple[Field, ...] = ()
    default = schema.get("default")
    if core.get("type") == "boolean" and kind is Kind.CHECKBOX and (nullable or (not required and default is None)):
        kind, choices = Kind.SELECT, (Choice("yes", True), Choice("no", False))
    if kind is Kind.JSON and depth < DEEPEST:
        items = _resolve(core.get("items", {}), whole) if core.get("type") == "array" and "prefixItems" not in core else {}
        if _is_object(core):
            kind, children = Kind.GROUP, _children(name, core, whole, depth)
        elif _choices(items):
            kind, choices = Kind.CHECKBOXES, _choices(items)
        elif _is_object(items):
            kind, blank = Kind.ROWS, Field(f"{name}.#", "", Kind.GROUP, children=_children(f"{name}.#", items, whole, depth + 1))
    own_title = schema.get("title") if "$ref" not in schema else None
    field = Field(
        name=name,
        label=_label(name.rpartition(".")[2], own_title),
        kind=kind,
        hint=" ".join(part for part in (schema.get("description", ""), _hint(kind, core)) if part),
        required=required,
        nullable=nullable,
        default=default,
        choices=choices,
        attributes=_attributes(kind, core),
        children=children,
        blank=blank,
    )
    if required:
        return field
    return valued(field, ABSENT) if default is None else valued(_defaulting(field, default), default)


def _defaulting(each: Field, default: Any) -> Field:
    """The field with this default, of which each field of a group has its part."""
    given = default if each.kind is Kind.GROUP and isinstance(default, dict) else {}
    children = tuple(_defaulting(child, given[child.own_name]) if child.own_name in given else child for child in each.children)
    return replace(each, default=default, children=children)


def _hint(kind: Kind, core: Schema) -> str:
    if core.get("format") == "duration":
        return f"A duration: {f'{SHORT_DURATIONS}, ' if 'examples' in core else ''}01:30:00 or PT90S."
    if kind not in (Kind.FILE, Kind.FILES):
        return _KIND_HINTS.get(kind, "")
    file, words = _file(core), []
    if "x-accept" in file:
        words.append(f"{', '.join(file['x-accept'])}.")
    if "x-max-bytes" in file:
        words.append(f"At most {in_units(file['x-max-bytes'])}.")
    return " ".join(words)


def _file(core: Schema) -> Schema:
    items: Schema = core.get("items", core)
    return items


_KIND_HINTS = {Kind.JSON: 'JSON, e.g. 5, "text" or [1, 2].', Kind.LINES: "One per line."}
_FORMATS = {"date": Kind.DATE, "date-time": Kind.INSTANT, NAIVE: Kind.INSTANT, "time": Kind.TIME, "password": Kind.PASSWORD}
_SCALARS = {"integer": Kind.NUMBER, "number": Kind.NUMBER, "boolean": Kind.CHECKBOX}


def _kind(core: Schema) -> Kind:
    if "enum" in core or "const" in core:
        return Kind.RADIOS if len(core.get("enum", ())) <= RADIO_LIMIT else Kind.SELECT
    if [(each.get("type"), each.get("format")) for each in core.get("anyOf", ())] == [("number", None), ("string", DECIMAL)]:
        return Kind.DECIMAL
    type = core.get("type")
    if core.get("writeOnly") and type in ("string", *_SCALARS):
        return Kind.PASSWORD
    if core.get("format") == FORMAT or (type == "array" and core.get("items", {}).get("format") == FORMAT):
        return Kind.FILES if type == "array" else Kind.FILE
    if type == "string":
        long = core.get("maxLength", 0) > LONG_TEXT
        return _FORMATS.get(core.get("format", ""), Kind.LONG if long else Kind.TEXT)
    items = core.get("items", {})
    if type == "array" and items.get("type") in ("string", "integer", "number") and "prefixItems" not in core and "enum" not in items:
        return Kind.LINES
    return _SCALARS.get(str(type), Kind.JSON)


def _choices(core: Schema) -> tuple[Choice, ...]:
    values = core.get("enum", [core["const"]] if "const" in core else ())
    texts = [choice_text(value) for value in values]
    # Radio buttons and selects fail for empty choices, line breaks, and a mix of 1 and "1".
    plain = [
        text.isprintable() and text == text.strip() != "" and (not isinstance(v, str) or texts.count(text) == 1)
        for text, v in zip(texts, values, strict=True)
    ]
    return tuple(Choice(text if is_plain else json.dumps(value), value) for text, value, is_plain in zip(texts, values, plain, strict=True))


def _is_object(core: Schema) -> bool:
    # A property name other than a Python identifier (an alias with a dot) would not round-trip.
    return core.get("type") == "object" and bool(core.get("properties")) and all(name.isidentifier() for name in core["properties"])


def _children(prefix: str, core: Schema, whole: Schema, depth: int) -> tuple[Field, ...]:
    required = core.get("required", ())
    return tuple(_field(f"{prefix}.{name}", schema, whole, name in required, depth + 1) for name, schema in core["properties"].items())


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
    if kind is Kind.LINES and core["items"]["type"] != "string":
        attributes["inputmode"] = "numeric" if core["items"]["type"] == "integer" else "decimal"
    if kind in (Kind.TEXT, Kind.LONG, Kind.PASSWORD) and "maxLength" in core:
        attributes["maxlength"] = core["maxLength"]
    if kind is Kind.PASSWORD:
        attributes["autocomplete"] = "new-password"
    if kind in (Kind.FILE, Kind.FILES) and "x-accept" in _file(core):
        attributes["accept"] = ",".join(_file(core)["x-accept"])
    if core.get("format") == NAIVE:
        attributes |= NO_ZONE
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
    # pydantic derives a title from the name ("Widget Id"); an explicit title is kept.
    words = name.replace("_", " ").strip() or name
    return title if title and title.lower() != words.lower() else words[0].upper() + words[1:]
