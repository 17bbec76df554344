"""Job options in request bodies and documents: fields, values and JSON Schemas, made from their declarations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema, create_model

from ...jobs.core.errors import JobsError
from ...jobs.core.models import Job
from ...jobs.options.job_options import OPTIONS, JobOption, Place, options_at, refuse_early_expiry
from ...jobs.options.option_kinds import Delay, Instant, Moment, OneOf, OptionKind, Period, Text, Until, Whole
from ..format import request_values
from ..format.request_values import ahead, duration

Body = TypeVar("Body", bound=BaseModel)


def with_options(place: Place) -> Callable[[type[Body]], type[Body]]:
    """Class decorator: add a field for each option that can be set in this place, None by default."""

    def extended(body: type[Body]) -> type[Body]:
        added: dict[str, Any] = {option.name: (_body_type(option.kind) | None, _field(option)) for option in options_at(place)}
        return create_model(body.__name__, __base__=body, __doc__=body.__doc__, __module__=body.__module__, **added)

    return extended


def values_of(body: BaseModel, place: Place) -> dict[str, Any]:
    """The values of a body's options by field; raises JobsError naming the invalid option."""
    found: dict[str, Any] = {}
    names: dict[str, str] = {}
    for option in options_at(place):
        value = getattr(body, option.name)
        if value is None:
            continue
        other = names.setdefault(option.field, option.name)
        if other != option.name:
            raise JobsError(f"Give either {other} or {option.name}, not both.", field=option.name)
        found[option.field] = _value(option, value)
    refuse_early_expiry(found.get("due_at"), found.get("expires_at"))
    return found


def described(option: JobOption) -> str:
    """The help of an option with the notation of its values."""
    return f"{option.help} {option.kind.notation}".strip()


def shown(job: Job) -> Iterator[tuple[JobOption, Any]]:
    """The options of a job's document, each with its value or None."""
    for option in OPTIONS:
        if option.shown:
            counts = option.needs is None or getattr(job, option.needs) is not None
            yield option, getattr(job, option.field) if counts else None


def set_options(job: Job) -> list[tuple[JobOption, Any]]:
    """The options of a job whose values are not the defaults."""
    return [(option, value) for option, value in shown(job) if value is not None and value != option.default]


def describe_listed(schema: dict[str, Any]) -> None:
    """Add the options of a job in a list to the JSON Schema of its document."""
    _describe(schema, [option for option in OPTIONS if option.shown and option.listed])


def describe_shown(schema: dict[str, Any]) -> None:
    """Add all options of a job to the JSON Schema of its document."""
    _describe(schema, [option for option in OPTIONS if option.shown])


def _describe(schema: dict[str, Any], options: Sequence[JobOption]) -> None:
    for option in options:
        schema["properties"][option.field] = {**_schema_of_value(option), "description": option.help}
        schema["required"].append(option.field)


def _field(option: JobOption) -> Any:
    return Field(None, description=described(option))


def _body_type(kind: OptionKind) -> Any:
    match kind:
        case Text(longest):
            schema = {"type": "string", "minLength": 1, "maxLength": longest, "pattern": r"^[^\x00]*$"}
            return Annotated[str, Field(min_length=1, max_length=longest), WithJsonSchema(schema)]
        case Whole(least, most):
            return Annotated[int, Field(ge=least, le=most, strict=True), BeforeValidator(request_values.whole)]
        case OneOf(words):
            return Literal[tuple(map(str, words))]
        case Delay():
            return request_values.Wait
        case Instant():
            return request_values.Instant
        case Until():
            return request_values.Until
        case Period():
            return request_values.Period
    raise TypeError(f"no request body has a value such as {kind}: add its type here")


def _value(option: JobOption, value: Any) -> Any:
    match option.kind:
        case Moment():
            return ahead(option.name, value, in_future=isinstance(option.kind, Until))
        case Period():
            return duration(option.name, value)
        case OneOf(words):
            return words(value)
    return value


def _schema_of_value(option: JobOption) -> dict[str, Any]:
    match option.kind:
        case Whole(least, most):
            schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
        case OneOf(words):
            schema = {"type": "string", "enum": list(words)}
        case _:
            schema = {"type": "string"}
    is_always_set = option.default is not None and option.needs is None
    return schema if is_always_set else {"anyOf": [schema, {"type": "null"}]}
