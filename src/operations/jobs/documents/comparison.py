"""Comparison of two runs: arguments, options, timings, versions, attempts, results, and the difference of their logs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import Field
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from ....formats.quantities import counted
from ....jobs.attempts import attempt_logs
from ....jobs.core.models import Job
from ....jobs.read import attempts
from ....jobs.search import runs
from ....sql.clock import now
from ....sql.columns import same_json
from ...format.document_fields import Json
from ...format.instants import write_instant
from ...format.json_documents import MASK
from .. import option_bodies
from . import job_documents
from .job_documents import JobSummary

#: log lines of each run that are compared
MOST_LINES = 500
#: durations count as alike up to this part of the longer one, and up to these seconds
ALIKE, CHANCE_S = 0.2, 0.05
#: equal lines kept around a difference
AROUND = 3
#: parts of a line that vary from run to run: ids, then numbers
_VARIES = (re.compile(r"\b[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b", re.IGNORECASE), re.compile(r"\d+(?:[.,:]\d+)*"))


class Section(StrEnum):
    """Section of a comparison."""

    ARGUMENTS = "arguments"
    OPTIONS = "options"
    TIMINGS = "timings"
    VERSIONS = "versions"
    ATTEMPTS = "attempts"
    RESULT = "result"


class Row(NamedTuple):
    """One compared value; `same` None: not compared, as both are secret, or an instant. Durations are in seconds, times instants."""

    section: Section
    name: str
    left: Any
    right: Any
    same: bool | None


class LogLine(NamedTuple):
    """A line of the log difference: "-" only left, "+" only right, " " both but for numbers and ids, "…" left-out lines."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side."""

    left: Job
    right: Job
    rows: Sequence[Row]
    log: Sequence[LogLine]
    is_cut: bool  # one of the logs is longer than the part that was compared

    @property
    def sections(self) -> list[Section]:
        return list(Section)


class ComparedValue(TypedDict):
    """One compared value; timings are in seconds."""

    section: Section
    name: str
    left: Annotated[Json, Field(description="any JSON; null also: none")]
    right: Annotated[Json, Field(description="any JSON; null also: none")]
    same: Annotated[bool | None, Field(description="null: not compared, as both are secret, or an instant")]


class DifferenceLine(TypedDict):
    """A line of the difference of two logs."""

    mark: Annotated[str, Field(description="- only left, + only right, a space: both but for numbers and ids, …: lines left out")]
    text: str


class ComparisonDocument(TypedDict):
    """Two runs side by side."""

    left: JobSummary
    right: JobSummary
    rows: list[ComparedValue]
    log: Annotated[list[DifferenceLine], Field(description="of the last attempts; empty: no difference")]


def compare(session: Session, left: Job, right: Job) -> Comparison:
    """Compare two jobs; secrets stay masked."""
    rows = [*_arguments(left, right), *_options(left, right), *_timings(session, left, right), *_others(session, left, right)]
    first, second = (attempt_logs.read(session, job.seq, attempt=max(job.attempt, 1), limit=MOST_LINES + 1) for job in (left, right))
    texts = [[line.text for line in lines[:MOST_LINES]] for lines in (first, second)]
    return Comparison(left, right, rows, list(difference(*texts)), max(len(first), len(second)) > MOST_LINES)


def document(found: Comparison) -> ComparisonDocument:
    """Return the comparison as a document."""
    return {
        "left": job_documents.summary(found.left),
        "right": job_documents.summary(found.right),
        "rows": [
            {"section": row.section, "name": row.name, "left": _plain(row.left), "right": _plain(row.right), "same": row.same}
            for row in found.rows
        ],
        "log": [{"mark": line.mark, "text": line.text} for line in found.log],
    }


def difference(left: Sequence[str], right: Sequence[str]) -> Iterator[LogLine]:
    """Yield the difference of two logs; nothing, if they differ in numbers and ids only."""
    matcher = SequenceMatcher(None, [_steady(line) for line in left], [_steady(line) for line in right], autojunk=False)
    end = 0
    for group in matcher.get_grouped_opcodes(AROUND):
        if group[0][1] > end:
            yield LogLine("…", counted(group[0][1] - end, "equal line"))
        for tag, left_from, left_to, right_from, right_to in group:
            yield from (LogLine(" " if tag == "equal" else "-", text) for text in left[left_from:left_to])
            if tag != "equal":
                yield from (LogLine("+", text) for text in right[right_from:right_to])
        end = group[-1][2]


def _steady(line: str) -> str:
    for varies in _VARIES:
        line = varies.sub("0", line)
    return line


def _row(section: Section, name: str, left: Any, right: Any) -> Row:
    same = same_json(_plain(left), _plain(right))  # unlike in Python, 1, 1.0 and true differ
    return Row(section, name, left, right, None if same and _hides(left) else same)


def _hides(value: Any) -> bool:
    """True if a secret is masked anywhere in the value: what it hides may differ."""
    if isinstance(value, dict | list):
        return any(map(_hides, value.values() if isinstance(value, dict) else value))
    return bool(value == MASK)


def _arguments(left: Job, right: Job) -> Iterator[Row]:
    mine, theirs = _named(left), _named(right)
    for name in dict.fromkeys([*mine, *theirs]):
        yield _row(Section.ARGUMENTS, name, mine.get(name), theirs.get(name))


def _named(job: Job) -> dict[str, Any]:
    args, kwargs = job_documents.arguments(job)
    positional = zip(job_documents.names(job), args, strict=True) if isinstance(args, list) else [("args", args)]
    return {**dict(positional), **(kwargs if isinstance(kwargs, dict) else {"kwargs": kwargs})}


def _options(left: Job, right: Job) -> Iterator[Row]:
    yield _row(Section.OPTIONS, "Queue", left.queue, right.queue)
    yield _row(Section.OPTIONS, "Submitted by", left.submitted_by or left.source, right.submitted_by or right.source)
    for (option, mine), (_, theirs) in zip(option_bodies.shown(left), option_bodies.shown(right), strict=True):
        if (mine, theirs) != (None, None):
            yield _row(Section.OPTIONS, option.label, mine, theirs)


def _plain(value: Any) -> Any:
    return write_instant(value) if isinstance(value, datetime) else value


def _timings(session: Session, left: Job, right: Job) -> Iterator[Row]:
    yield Row(Section.TIMINGS, "Submitted", left.created_at, right.created_at, None)
    mine, theirs = _seconds(session, left), _seconds(session, right)
    for name, one in mine.items():
        yield Row(Section.TIMINGS, name, one, theirs[name], _is_alike(one, theirs[name]))


def _is_alike(one: float | None, other: float | None) -> bool:
    """True if two durations differ by less than a fifth, or by so little that it is chance."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= max(CHANCE_S, max(one, other) * ALIKE)


def _seconds(session: Session, job: Job) -> dict[str, float | None]:
    """Return durations in seconds; None: it has not come so far."""
    first = next((each.started_at for each in attempts.of(session, job, before=2)), job.started_at)
    end = job.finished_at or (now() if job.started_at is not None and not job.state.is_final else None)
    last = job.attempts[-1] if job.attempts else None
    ran = last.finished_at - last.started_at if last is not None else None
    return {
        "Wait before the first attempt": _rounded(None if first is None else first - job.created_at),
        "Run of the last attempt": _rounded(ran),
        "From submission to end": _rounded(None if end is None else end - job.created_at),
        "CPU time of the last attempt": None if last is None or last.cpu_us is None else round(last.cpu_us / 1_000_000, 3),
    }


def _rounded(length: timedelta | None) -> float | None:
    return None if length is None else round(length.total_seconds(), 3)


def _others(session: Session, left: Job, right: Job) -> Iterator[Row]:
    yield _row(Section.VERSIONS, "Version of the code", runs.version_of(session, left), runs.version_of(session, right))
    workers = [job.attempts[-1].worker if job.attempts else None for job in (left, right)]
    yield _row(Section.VERSIONS, "Worker", *workers)
    yield _row(Section.ATTEMPTS, "State", left.state.value, right.state.value)
    yield _row(Section.ATTEMPTS, "Outcomes", _outcomes(left), _outcomes(right))
    yield _row(Section.RESULT, "Result", _result(left), _result(right))
    yield _row(Section.RESULT, "Error", left.error, right.error)


def _outcomes(job: Job) -> str | None:
    earlier = ["…"] if job.attempts and job.attempts[0].number > 1 else []
    return ", ".join([*earlier, *(each.outcome.value for each in job.attempts)]) or None


def _result(job: Job) -> Any:
    return job.result if job.result_file is None else f"a file of {job.result_bytes} bytes"
