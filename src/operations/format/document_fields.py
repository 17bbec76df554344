"""Field types of documents, with the JSON Schema that the OpenAPI document shows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

#: a time, ISO 8601 with time zone
Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
#: cursor of a list
Next = Annotated[str | None, Field(description="cursor: `after` of the following page; null: this is the last page")]
#: any JSON value
Json = Any
Args = Annotated[list[Any], Field(description="arguments by position: any JSON, secrets masked")]
Kwargs = Annotated[dict[str, Any], Field(description="arguments by name: any JSON, secrets masked")]
