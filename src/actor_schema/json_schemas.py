"""JSON Schema of arguments, which marks each secret, also those of pydantic's generic Secret."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema


class Schemas(GenerateJsonSchema):
    """Pydantic's generator, which marks SecretStr and SecretBytes only."""

    def json_or_python_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a type with a form of its own in JSON, as Secret is."""
        found = super().json_or_python_schema(schema)
        written_by = schema.get("serialization", {}).get("function")
        hides = getattr(written_by, "__module__", "") == "pydantic.types" and "secret" in written_by.__name__
        return {"allOf": [found], "writeOnly": True} if hides and "$ref" in found else found | {"writeOnly": True} if hides else found
