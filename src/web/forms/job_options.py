"""Option fields of a submission form: delay, expiry, priority and so on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from werkzeug.datastructures import MultiDict

from ...operations.arguments.field import Field, Kind
from ...operations.arguments.reading import Reading, read, retyped
from ...operations.format.instants import parse_duration, parse_instant
from ...sql.clock import now

#: prefix of the option fields; not valid in a parameter name
PREFIX = "how-"
DELAY, AT, EXPIRES, PRIORITY, UNIQUE_KEY = (PREFIX + name for name in ("delay", "at", "expires", "priority", "unique-key"))
#: fields by the option names of submit(), to map its errors to fields
BY_NAME = {"due_at": AT, "expires_at": EXPIRES, "priority": PRIORITY, "unique_key": UNIQUE_KEY}

_BOUNDS = {"min": 0, "max": 9, "step": 1, "inputmode": "numeric"}
FIELDS = (
    Field(DELAY, "Start after", Kind.TEXT, "90 (seconds), 10m, 1h30m or 2d. Empty: now.", required=False, attributes={"class": "narrow"}),
    Field(AT, "Start at", Kind.INSTANT, "Instead of a delay.", required=False),
    Field(EXPIRES, "Not after", Kind.INSTANT, "The job expires if it has not started by then.", required=False),
    Field(PRIORITY, "Priority", Kind.NUMBER, "0 to 9; 9 is the most urgent. Empty: the actor's default.", required=False, attributes=_BOUNDS),
    Field(
        UNIQUE_KEY, "Unique key", Kind.TEXT, "No second job with this key until this one has finished.", required=False, attributes={"maxlength": 255}
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobOptions:
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


def read_options(sent: MultiDict[str, str]) -> JobOptions:
    """Parse the option fields; errors are in `reading.errors` by field."""
    reading = read(FIELDS, sent)
    options: dict[str, Any] = {}
    due = reading.values.get(AT)
    delay = reading.texts.get(DELAY, "").strip()
    if delay and due is not None:
        reading.errors[AT] = "Give a delay or a start time, not both."
    elif delay:
        _try(reading, DELAY, lambda: options.update(due_at=now() + parse_duration(delay)))
    elif due is not None:
        _try(reading, AT, lambda: options.update(due_at=parse_instant(due)))
    if (expires := reading.values.get(EXPIRES)) is not None:
        _try(reading, EXPIRES, lambda: options.update(expires_at=_ahead(expires)))
    if (priority := reading.values.get(PRIORITY)) is not None:
        if type(priority) is int and 0 <= priority <= 9:
            options["priority"] = priority
        else:
            reading.errors[PRIORITY] = "Enter a number from 0 to 9."
    if key := reading.texts.get(UNIQUE_KEY, "").strip():
        options["unique_key"] = key
    if "due_at" in options and "expires_at" in options and options["expires_at"] <= options["due_at"]:
        reading.errors[EXPIRES] = "The job would expire before it can start: give a later time."
    return JobOptions(options, reading)


def _ahead(text: str) -> datetime:
    instant = parse_instant(text)
    if instant <= now():
        raise ValueError("This is in the past: give a future time.")
    return instant


def _try(reading: Reading, name: str, take: Callable[[], None]) -> None:
    try:
        take()
    except ValueError as error:
        reading.errors[name] = str(error)
