"""Option fields of a submission form, made from the declarations of the options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from ...jobs.core.errors import JobsError
from ...jobs.options.job_options import JobOption, Place, options_at, refuse_early_expiry
from ...jobs.options.option_kinds import Delay, Instant, OneOf, Period, Text, Until, Whole
from ...operations.arguments.field import Choice, Field, Kind
from ...operations.arguments.reading import Reading, read, retyped
from ...operations.format.instants import future, parse_duration, parse_instant
from ...sql.clock import now

#: prefix of the option fields; not valid in a parameter name
PREFIX = "how-"
#: a longer text gets a textarea
LONG_TEXT = 255
_OPTIONS = {PREFIX + option.name.replace("_", "-"): option for option in options_at(Place.FORM)}
#: fields by the option names of submit(), to map its errors to fields
BY_NAME = {option.field: name for name, option in _OPTIONS.items()}


def field_of(name: str, option: JobOption) -> Field:
    """The optional form field of an option."""
    hint = option.help
    match option.kind:
        case Whole(least, most):
            attributes = {"min": least, "max": most, "step": 1, "inputmode": "numeric"}
            return Field(name, option.label, Kind.NUMBER, f"{hint} {option.kind.notation}", required=False, attributes=attributes)
        case Text(longest):
            kind = Kind.LONG if longest > LONG_TEXT else Kind.TEXT
            return Field(name, option.label, kind, hint, required=False, attributes={"maxlength": longest})
        case OneOf(words):
            choices = tuple(Choice(str(word), word) for word in words)
            return Field(name, option.label, Kind.SELECT, hint, required=False, choices=choices)
        case Delay() | Period():
            return Field(name, option.label, Kind.TEXT, f"{hint} {option.kind.notation}", required=False, attributes={"class": "narrow"})
        case Instant() | Until():
            return Field(name, option.label, Kind.INSTANT, hint, required=False)
    raise TypeError(f"no form field has a value such as {option.kind}: add its widget here")


def value_of(option: JobOption, typed: Any) -> Any:
    """The value of an option from that of its field; raises ValueError with the cure."""
    match option.kind:
        case Whole(least, most):
            if type(typed) is not int or not least <= typed <= most:
                raise ValueError(f"Enter a number from {least} to {most}.")
            return typed
        case Delay():
            return now() + parse_duration(typed)
        case Period():
            return parse_duration(typed)
        case Instant():
            return parse_instant(typed)
        case Until():
            return future(parse_instant(typed))
        case Text():
            return typed.strip()
    return typed


FIELDS = tuple(field_of(name, option) for name, option in _OPTIONS.items())


@dataclass(frozen=True, slots=True)
class GivenOptions:
    """The options that could be read."""

    options: dict[str, Any]
    reading: Reading

    @property
    def is_given(self) -> bool:
        """True if an option was given, so that the section must be open."""
        return any(self.reading.texts.get(each.name) for each in FIELDS)

    def fields(self) -> list[Field]:
        """The fields with the submitted values."""
        return [retyped(each, self.reading.texts) for each in FIELDS]


def read_options(sent: MultiDict[str, str]) -> GivenOptions:
    """Parse the option fields; errors are in `reading.errors` by field."""
    reading = read(FIELDS, sent)
    options: dict[str, Any] = {}
    labels: dict[str, str] = {}
    for name, option in _OPTIONS.items():
        typed = reading.values.get(name)
        if typed is None or not str(typed).strip():
            continue
        other = labels.setdefault(option.field, option.label)
        if other != option.label:
            reading.errors[name] = f"Give {other} or {option.label}, not both."
            continue
        try:
            options[option.field] = value_of(option, typed)
        except ValueError as error:
            reading.errors[name] = str(error)
    try:
        refuse_early_expiry(options.get("due_at"), options.get("expires_at"))
    except JobsError as error:
        reading.errors[BY_NAME["expires_at"]] = str(error)
    return GivenOptions(options, reading)
