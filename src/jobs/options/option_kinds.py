"""Kinds of values that a job option may have: each checks a value, and reads the notation of Python code.

API, form and command line map each kind once to a body type, a form field and a command-line type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from ...formats.quantities import LONGEST
from ...sql.clock import now
from ...sql.columns import to_microseconds
from ..core.errors import JobsError

#: no store holds a lone surrogate, and PostgreSQL no NUL
_STORABLE = re.compile(r"[^\x00\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class OptionKind:
    """A kind of value. `notation`: a sentence on how a user writes it."""

    @property
    def notation(self) -> str:
        return ""

    def check(self, name: str, value: Any) -> Any:
        """Return the value of a submission's option; raises JobsError with the cure."""
        raise NotImplementedError

    def read(self, name: str, value: Any) -> Any:
        """Convert a value from a message or an actor's declaration; raises JobsError with the cure."""
        return self.check(name, value)

    def stored(self, value: Any) -> Any:
        """Convert a checked value to that of its column."""
        return value


@dataclass(frozen=True, slots=True)
class Text(OptionKind):
    """A text of 1 to `longest` characters."""

    longest: int = 255

    def check(self, name: str, value: Any) -> Any:
        if not isinstance(value, str) or not 0 < len(value) <= self.longest or not _STORABLE.fullmatch(value):
            raise JobsError(f"{name} must be a text of 1 to {self.longest} characters, not {value!a:.60}", field=name)
        return value


@dataclass(frozen=True, slots=True)
class Whole(OptionKind):
    """A whole number within bounds."""

    least: int
    most: int

    @property
    def notation(self) -> str:
        return f"A number from {self.least} to {self.most}."

    def check(self, name: str, value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise JobsError(f"{name} must be a whole number between {self.least} and {self.most}, not {value!r:.60}", field=name)
        return value


@dataclass(frozen=True, slots=True)
class OneOf(OptionKind):
    """One word of an enumeration."""

    words: type[StrEnum]

    def check(self, name: str, value: Any) -> Any:
        try:
            return self.words(value)
        except ValueError:
            raise JobsError(f"{name} must be {' or '.join(map(repr, map(str, self.words)))}, not {value!r:.60}", field=name) from None

    def stored(self, value: Any) -> Any:
        return value.value


@dataclass(frozen=True, slots=True)
class Moment(OptionKind):
    """An aware datetime. Code writes a datetime, a timedelta from now, or milliseconds from now."""

    def check(self, name: str, value: Any) -> Any:
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise JobsError(f"{name} needs a time zone, e.g. 2030-01-01T09:00:00Z, not {value!s:.60}", field=name)
        return value

    def read(self, name: str, value: Any) -> Any:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise JobsError(f"{name} needs a time zone, e.g. datetime.now(UTC) + timedelta(minutes=5)", field=name)
            return value
        try:
            if isinstance(value, timedelta):
                return now() + value
            if isinstance(value, int | float) and not isinstance(value, bool):
                return self._at(timedelta(milliseconds=value))
        except (OverflowError, ValueError):
            pass
        raise JobsError(f"{name} must be a datetime, a timedelta or milliseconds, not {value!r:.60}", field=name)

    def stored(self, value: Any) -> Any:
        return to_microseconds(value)

    def _at(self, given: timedelta) -> datetime:
        return now() + given


@dataclass(frozen=True, slots=True)
class Delay(Moment):
    """A moment given as a duration from now."""

    @property
    def notation(self) -> str:
        return "Write 90 (seconds), 10m, 1h30m or 2d."


@dataclass(frozen=True, slots=True)
class Instant(Moment):
    """A moment given as a time; code may write milliseconds since 1970."""

    @property
    def notation(self) -> str:
        return "Write ISO 8601 with a time zone, e.g. 2030-12-31T18:00:00Z."

    def _at(self, given: timedelta) -> datetime:
        return datetime.fromtimestamp(0, UTC) + given


@dataclass(frozen=True, slots=True)
class Until(Moment):
    """A moment given as a time or as a duration from now."""

    @property
    def notation(self) -> str:
        return "Write a duration from now, e.g. 10m, or a time, e.g. 2030-12-31T18:00:00Z."


@dataclass(frozen=True, slots=True)
class Period(OptionKind):
    """A duration above zero; code may write milliseconds."""

    @property
    def notation(self) -> str:
        return "Write 90 (seconds), 10m, 1h30m or 2d."

    def check(self, name: str, value: Any) -> Any:
        if not isinstance(value, timedelta):
            raise JobsError(f"{name} must be a timedelta, not {value!r:.60}", field=name)
        if value > LONGEST:  # from the year 9999 on, an instant cannot be written
            raise JobsError(f"{name} must be at most a hundred years, not {value!s:.60}", field=name)
        return value

    def read(self, name: str, value: Any) -> Any:
        if isinstance(value, timedelta):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            try:
                return timedelta(milliseconds=value)
            except OverflowError:
                pass
        raise JobsError(f"{name} must be a timedelta or a number of milliseconds above 0, not {value!r:.60}", field=name)
