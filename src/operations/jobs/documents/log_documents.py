"""Documents of log lines, and the position in a log as text."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ....jobs.attempts.attempt_logs import START, Place
from ....jobs.core.errors import JobsError
from ....jobs.core.models import LogLine
from ...format.document_fields import Instant
from ...format.instants import write_instant
from ...format.terminal_text import visible


class After(TypedDict, total=False):
    """Query parameter of a log."""

    after: Annotated[str, Field(pattern="^([0-9]{1,9}[.][0-9]{1,9})?$", description="`next` of the previous response")]


class LogLineDocument(TypedDict):
    """One line of a job's log."""

    attempt: int
    number: int
    written_at: Instant
    level: str
    text: str


def document(line: LogLine) -> LogLineDocument:
    """One line as a document."""
    return {
        "attempt": line.attempt,
        "number": line.number,
        "written_at": write_instant(line.written_at),
        "level": line.level,
        "text": line.text,
    }


def plain(line: LogLine) -> str:
    """One line as text, the same for a terminal and a file."""
    return f"{write_instant(line.written_at)} {line.level:<8} {visible(line.text)}"


def write_place(lines: list[LogLine], before: Place = START) -> str:
    """The cursor after these lines, for `after`; unchanged without lines."""
    place = Place(lines[-1].attempt, lines[-1].number) if lines else before
    return f"{place.attempt}.{place.number}"


def read_place(text: str | None) -> Place:
    """Parse `after`; empty: the beginning. Raises JobsError."""
    if not text:
        return START
    parts = text.split(".")
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() and len(part) <= 9 for part in parts):
        raise JobsError("`after` must be the `next` of the previous response, e.g. 1.20.", field="after")
    return Place(int(parts[0]), int(parts[1]))
