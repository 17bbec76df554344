"""API reference: the OpenAPI document as grouped operations with parameters, bodies and an example each."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

Document = dict[str, Any]

#: maximum enum values listed; above it only their number is shown
WORDS = 12


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter or body field."""

    name: str
    where: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    role: str
    rows: list[Row]
    example: str
    answers: list[str]


@dataclass(frozen=True, slots=True)
class Group:
    """Operations with the same tag."""

    name: str
    description: str
    operations: list[Operation]


def groups(document: Document, *, url: str) -> list[Group]:
    """Group the operations by tag; `url` is the base URL."""
    found = {tag["name"]: Group(tag["name"], tag["description"], []) for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, each in methods.items():
            content = each.get("requestBody", {}).get("content", {})
            body, parts = (content.get(kind, {}).get("schema") for kind in ("application/json", "multipart/form-data"))
            files = _files(_resolved(document, parts or {}))
            rows = [_parameter(one) for one in each["parameters"]] + _fields(document, body) + files
            found[each["tags"][0]].operations.append(
                Operation(
                    each["operationId"], method.upper(), path, each["summary"], each.get("description", ""), each["security"][0]["token"][0], rows,
                    _curl(document, method.upper(), url + path + _query(document, each["parameters"]), body, () if body else files), [status for status in each["responses"] if status != "default"],
                )
            )  # fmt: skip
    return list(found.values())


def _query(document: Document, parameters: Sequence[Document]) -> str:
    """The query string of the required parameters."""
    needed = {one["name"]: example(document, one["schema"]) for one in parameters if one["in"] == "query" and one.get("required")}
    return f"?{urlencode(needed)}" if needed else ""


def _parameter(parameter: Document) -> Row:
    return Row(
        parameter["name"],
        parameter["in"],
        _kind({}, parameter["schema"]),
        parameter.get("required", False),
        parameter.get("description", ""),
    )


def _fields(document: Document, schema: Document | None) -> list[Row]:
    """The fields of a body, with its arguments one by one."""
    if schema is None:
        return []
    schema = _resolved(document, schema)
    rows = []
    for name, field in schema.get("properties", {}).items():
        inner = _resolved(document, field)
        arguments = inner.get("properties") if name == "kwargs" else None
        if arguments is None:
            rows.append(Row(name, "body", _kind(document, field), name in schema.get("required", ()), field.get("description", "")))
        else:
            needed = inner.get("required", ())
            rows += [
                Row(f"kwargs.{each}", "body", _kind(document, one), each in needed, one.get("description", one.get("title", "")))
                for each, one in arguments.items()
            ]
    return rows


def _files(parts: Document) -> list[Row]:
    """The file parts of a request."""
    found = []
    for name, schema in parts.get("properties", {}).items():
        if (inner := schema.get("items", schema)).get("format") == "binary":
            found.append(Row(name, "part", "file" if inner is schema else "files", name in parts.get("required", ()), ""))
    return found


def _kind(document: Document, schema: Document) -> str:
    schema = _resolved(document, schema)
    if "enum" in schema or "const" in schema:
        words = [str(word) for word in schema.get("enum", [schema.get("const")])]
        return " · ".join(words) if len(words) <= WORDS else f"one of {len(words)} words"
    choices = [_kind(document, one) for one in schema.get("anyOf", ())]
    if choices:
        return " or ".join(dict.fromkeys(choices))
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    words = [" or ".join(kind) if isinstance(kind, list) else str(kind)]
    if "format" in schema:
        words.append(f"({schema['format']})")
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is not None or high is not None:
        words.append(f"{'' if low is None else low}…{'' if high is None else high}")
    return " ".join(words)


def _curl(document: Document, method: str, url: str, schema: Document | None, files: Sequence[Row] = ()) -> str:
    words = ["curl", *(["-X", method] if method not in ("GET", "POST") or (method == "POST" and schema is None and not files) else [])]
    line = f'{" ".join(words)} -H "Authorization: Bearer $TOKEN"'
    if schema is not None:
        line += f" --json {shlex.quote(json.dumps(example(document, schema)))}"
    line += "".join(f" -F {each.name}=@a.png" for each in files)
    return f"{line} {shlex.quote(url) if set(url) & set('{?') else url}"


def example(document: Document, schema: Document) -> Any:
    """Build an example value of a schema: required fields only, first alternative."""
    schema = _resolved(document, schema)
    for name in ("default", "const"):
        if name in schema:
            return schema[name]
    if schema.get("examples") or schema.get("enum"):
        return (schema.get("examples") or schema["enum"])[0]
    if schema.get("anyOf"):
        return example(document, schema["anyOf"][0])
    kind = schema.get("type")
    if kind == "object":
        fields, needed = schema.get("properties", {}), schema.get("required", ())
        return {name: example(document, fields[name]) for name in fields if name in needed}
    if kind == "array":
        return [example(document, schema.get("items", {}))]
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1 if "exclusiveMinimum" in schema else 1)
    return {"boolean": True, "null": None}.get(str(kind), _TEXTS.get(schema.get("format", ""), "…"))


_TEXTS = {
    "date-time": "2030-12-31T18:00:00Z",
    "date-time-local": "2030-12-31T18:00:00",
    "date": "2030-12-31",
    "time": "18:00:00",
    "uri": "https://example.org/",
}


def _resolved(document: Document, schema: Document) -> Document:
    reference = schema.get("$ref", "")
    if not reference.startswith("#/components/schemas/") or not document:
        return schema
    found: Document = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found
