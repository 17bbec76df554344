"""Values of a request body: numbers, instants and periods with their JSON Schema, and the validation of a whole body.

The same for API, pages and terminal.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema

from ...actor_schema.validation_messages import complain
from ...jobs.core.errors import InvalidArguments, JobsError
from ...sql.clock import now
from .instants import parse_duration, parse_instant

Body = TypeVar("Body", bound=BaseModel)


def whole(value: Any) -> Any:
    """JSON has one kind of number: 6.0 is as whole as 6."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Whole numbers, but no text and no truth value that looks like one.
Priority = Annotated[int, Field(ge=0, le=9, strict=True), BeforeValidator(whole)]
Count = Annotated[int, Field(ge=1, strict=True), BeforeValidator(whole)]
Key = Annotated[
    str, Field(min_length=1, max_length=255), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00]*$"})
]
# What src/operations/format/instants.py reads, and says better than a schema what is wrong with it; the schema is for those who describe.
_INSTANT_SCHEMA = {"type": "string", "format": "date-time"}
_WAIT_SCHEMA = [{"type": "number", "minimum": 0, "maximum": 3_000_000_000}, {"type": "string", "pattern": r"^([0-9]{1,4}[smhd]){1,3}$"}]
#: an instant, ISO 8601 with its zone
Instant = Annotated[str, WithJsonSchema(_INSTANT_SCHEMA)]
#: how long: seconds, or a text such as 1h30m
Wait = Annotated[str | float, WithJsonSchema({"anyOf": _WAIT_SCHEMA})]
#: the same, and longer than nothing
Period = Annotated[
    str | float,
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 1, "maximum": 3_000_000_000}, {"type": "string", "pattern": r"^[1-9][0-9]{0,3}[smhd]$"}]}
    ),
]
#: how long from now, or until when
Until = Annotated[str | float, WithJsonSchema({"anyOf": [*_WAIT_SCHEMA, _INSTANT_SCHEMA]})]


def read(kind: type[Body], document: Any, *, example: str) -> Body:
    """A body of this kind; raises InvalidArguments naming each field at fault."""
    if not isinstance(document, dict):
        raise InvalidArguments(f"Send a JSON object such as {example}.", errors={})
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        problems = complain(error.errors(include_url=False), kind.model_json_schema()["properties"])
        raise InvalidArguments("; ".join(f"{name}: {text}" for name, text in problems.items()), errors=problems) from None


def due_at(delay: str | float | None, eta: str | None) -> datetime | None:
    """The instant that a delay or an eta means; None: neither was given."""
    if delay is not None and eta is not None:
        raise JobsError("Give either delay or eta, not both.", field="eta")
    return ahead("delay", delay) or ahead("eta", eta)


def ahead(field: str, value: str | float | None) -> datetime | None:
    """The instant that a field means, given as one or as how long from now."""
    if value is None:
        return None
    try:
        if field in ("eta", "until") or (isinstance(value, str) and "-" in value):
            return parse_instant(str(value))
        return now() + parse_duration(value)
    except ValueError as error:
        raise JobsError(f"{field}: {error}", field=field) from None


def duration(field: str, value: str | float | None) -> timedelta | None:
    """The period that a field means."""
    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise JobsError(f"{field}: {error}", field=field) from None
