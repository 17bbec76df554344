"""JSON Schemas of the types that routes declare: pydantic models, TypedDicts, annotated types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

Document = dict[str, Any]
Key = tuple[str, ...]
#: modes of schemas: for request bodies, and for responses
IN: Literal["validation"] = "validation"
OUT: Literal["serialization"] = "serialization"
Mode = Literal["validation", "serialization"]
Typed = tuple[Key, Mode, TypeAdapter[Any]]

_TEMPLATE = "#/components/schemas/{model}"
#: names of models under which clients know them
_KNOWN_AS = {"JobBody": "Submission", "Document": "ReportContent"}


class _Schemas(GenerateJsonSchema):
    """Leaves out titles that repeat a field's name, and the suffix that tells a document from its row."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def normalize_name(self, name: str) -> str:
        name = super().normalize_name(name)
        return _KNOWN_AS.get(name, name.removesuffix("Document"))


def ref(name: str) -> Document:
    """A reference to a schema."""
    return {"$ref": _TEMPLATE.format(model=name)}


def schemas(types: Iterable[Typed]) -> tuple[dict[tuple[Key, Mode], Document], Document]:
    """The schema of each type, and the named schemas that they refer to. Words of an enumeration stand where they are used."""
    found, rest = TypeAdapter.json_schemas(types, ref_template=_TEMPLATE, schema_generator=_Schemas)
    named = rest.get("$defs", {})
    words = {_TEMPLATE.format(model=name): _words(each) for name, each in named.items() if "enum" in each}
    kept = {name: {**replaced(each, words), "title": name} for name, each in named.items() if "enum" not in each}
    return {key: replaced(each, words) for key, each in found.items()}, kept


def inline(adapter: TypeAdapter[Any]) -> Document:
    """The schema of one type, without references."""
    schema = adapter.json_schema(schema_generator=_Schemas)
    named = {f"#/$defs/{name}": _words(each) for name, each in schema.pop("$defs", {}).items()}
    found: Document = replaced(schema, named)
    return found


def replaced(value: Any, named: dict[str, Document]) -> Any:
    """The schema with these references replaced by what they refer to."""
    if isinstance(value, dict):
        inner = {key: replaced(each, named) for key, each in value.items() if key != "$ref" or each not in named}
        return {**named[value["$ref"]], **inner} if value.get("$ref") in named else inner
    return [replaced(each, named) for each in value] if isinstance(value, list) else value


def _words(schema: Document) -> Document:
    """An enumeration without the docstring of its class."""
    return {name: each for name, each in schema.items() if name not in ("title", "description")}
