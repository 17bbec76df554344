"""JSON Schema of arguments, which marks each secret, also those of pydantic's generic Secret, decimals, and datetimes without a zone."""

from __future__ import annotations

from collections.abc import Callable
from enum import Flag
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

#: formats that only this generator writes: a text of a number, kept exact; and the format date-time without its zone
DECIMAL, NAIVE = "decimal", "date-time-local"


class Schemas(GenerateJsonSchema):
    """Pydantic's generator, which marks SecretStr and SecretBytes only, and refuses a whole model for one field without a form in JSON."""

    _depth = 0

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a model."""
        return self._within(super().model_schema, schema)

    def dataclass_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a dataclass."""
        return self._within(super().dataclass_schema, schema)

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        """Describe a field of a model that JSON has no form for as any value: its default serves."""
        return {} if self._depth else super().handle_invalid_for_json_schema(schema, error_info)

    def decimal_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a decimal, which differs from that of a number or any text."""
        found = super().decimal_schema(schema)
        branches = [each | {"format": DECIMAL} if each.get("type") == "string" else each for each in found.get("anyOf", ())]
        return found | {"anyOf": branches} if branches else found

    def datetime_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a datetime."""
        found = super().datetime_schema(schema)
        return found | {"format": NAIVE} if schema.get("tz_constraint") == "naive" else found

    def enum_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of an enumeration; a flag is any sum of its members."""
        found = super().enum_schema(schema)
        if not issubclass(schema["cls"], Flag):
            return found
        members = ", ".join(f"{each.value} {each.name}" for each in schema["members"])
        described = f"{found.get('description', '')} The sum of: {members}.".strip()
        return {name: value for name, value in found.items() if name != "enum"} | {
            "type": "integer",
            "minimum": 0,
            "description": described,
        }

    def _within(self, describe: Callable[[Any], dict[str, Any]], schema: Any) -> dict[str, Any]:
        self._depth += 1
        try:
            return describe(schema)
        finally:
            self._depth -= 1

    def json_or_python_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a type with a form of its own in JSON, as Secret is."""
        found = super().json_or_python_schema(schema)
        written_by = schema.get("serialization", {}).get("function")
        hides = getattr(written_by, "__module__", "") == "pydantic.types" and "secret" in written_by.__name__
        return {"allOf": [found], "writeOnly": True} if hides and "$ref" in found else found | {"writeOnly": True} if hides else found
