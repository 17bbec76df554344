"""Request body types: numbers, times and durations with their JSON Schema, and validation of a body.

Shared by API, pages and terminal.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from ...actor_schema.validation_messages import complain
from ...jobs.core.errors import InvalidArguments, JobsError
from ...sql.clock import now
from .instants import future, parse_duration, parse_instant

Body = TypeVar("Body", bound=BaseModel)


def whole(value: Any) -> Any:
    """Convert 6.0 to 6: JSON has one number type."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Integers only: no numeric strings, no booleans.
Count = Annotated[int, Field(ge=1, strict=True), BeforeValidator(whole)]
# instants.py parses these values and words their errors; the JSON Schema only documents them.
_INSTANT_SCHEMA = {"type": "string", "format": "date-time"}
_WAIT_SCHEMA = [{"type": "number", "minimum": 0, "maximum": 3_000_000_000}, {"type": "string", "pattern": r"^([0-9]{1,4}[smhd]){1,3}$"}]
#: a time, ISO 8601 with time zone
Instant = Annotated[str, WithJsonSchema(_INSTANT_SCHEMA)]
#: a duration: seconds, or a text such as 1h30m
Wait = Annotated[str | float, WithJsonSchema({"anyOf": _WAIT_SCHEMA})]
#: a duration greater than zero
Period = Annotated[
    str | float,
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 1, "maximum": 3_000_000_000}, {"type": "string", "pattern": r"^[1-9][0-9]{0,3}[smhd]$"}]}
    ),
]
#: a duration from now, or a time
Until = Annotated[str | float, WithJsonSchema({"anyOf": [*_WAIT_SCHEMA, _INSTANT_SCHEMA]})]


class RequestBody(BaseModel):
    """A request body. Its `model_config` gives an example, which errors and the API reference show."""

    model_config = ConfigDict(extra="forbid")


def example(document: dict[str, Any]) -> ConfigDict:
    """The configuration of a body with this example."""
    return ConfigDict(json_schema_extra={"examples": [document]})


def read(kind: type[Body], document: Any) -> Body:
    """Validate a body of this type; raises InvalidArguments naming each invalid field."""
    if not isinstance(document, dict):
        shown: Any = kind.model_config["json_schema_extra"]  # a JSON Schema would sort its fields
        raise InvalidArguments(f"Send a JSON object such as {json.dumps(shown['examples'][0])}.", errors={})
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        problems = complain(error.errors(include_url=False), kind.model_json_schema()["properties"])
        raise InvalidArguments("; ".join(f"{name}: {text}" for name, text in problems.items()), errors=problems) from None


def read_number(field: str, text: str, *, most: int) -> int:
    """The number of a field, from 1 to `most`. Raises JobsError naming the field."""
    # At most nine digits: int() refuses thousands of them, and zeros in front must not hide how large it is.
    if not text.isdecimal() or not text.isascii() or len(text) > 9 or not 1 <= int(text) <= most:
        raise JobsError(f"{field} must be between 1 and {most}.", field=field)
    return int(text)


def ahead(field: str, value: str | float | None, *, in_future: bool = False) -> datetime | None:
    """The time of a field given as a time or as a duration from now. `in_future`: raises for a past one."""
    if value is None:
        return None
    try:
        if field in ("eta", "until") or (isinstance(value, str) and "-" in value.strip()[1:]):
            instant = parse_instant(str(value))
        else:
            instant = now() + parse_duration(value)
        return future(instant) if in_future else instant
    except ValueError as error:
        raise InvalidArguments(f"{field}: {error}", errors={field: str(error)}) from None


def duration(field: str, value: str | float | None) -> timedelta | None:
    """The duration of a field."""
    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise InvalidArguments(f"{field}: {error}", errors={field: str(error)}) from None
