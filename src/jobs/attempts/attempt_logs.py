"""Attempt logs: lines that actors logged or printed, written in batches and followed live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from ...sql.columns import from_microseconds
from ...sql.statements import Batch
from ..core.models import LogLine
from ..core.values import storable
from .log_lines import Line

Row = tuple[int, int, int, int, str, str]


class Place(NamedTuple):
    """Position in a job's log: the attempt, and the number of the last line read."""

    attempt: int
    number: int


START = Place(0, 0)

#: least severity to show -> levels that are below it, or those that reach it; other levels count as info
BELOW_INFO = ("debug", "trace", "notset")
FROM = {"warning": ("warning", "notice", "error", "critical", "fatal"), "error": ("error", "critical", "fatal")}
SEVERITIES = ("info", *FROM)

# Idempotent: a batch whose commit was confirmed too late is written again.
_WRITE = Batch(
    {"job_seq": "bigint", "attempt": "int", "number": "int", "written_us": "bigint", "level": "text", "text": "text"},
    """
    INSERT INTO log_lines (job_seq, attempt, number, written_at, level, text)
    SELECT d.job_seq, d.attempt, d.number, @(d.written_us), d.level, d.text FROM {rows} WHERE true
    ON CONFLICT (job_seq, attempt, number) DO NOTHING RETURNING job_seq
    """,
)
_NEXT = Batch(
    {"job_seq": "bigint", "attempt": "int", "number": "int"},
    """
    SELECT l.job_seq, l.attempt, l.number, #(l.written_at), l.level, l.text FROM {rows}
    JOIN log_lines l ON l.job_seq = d.job_seq AND (l.attempt, l.number) > (d.attempt, d.number)
    ORDER BY l.job_seq, l.attempt, l.number LIMIT :limit
    """,
)
_FORGET = Batch(
    {"job_seq": "bigint", "attempt": "int"},
    "DELETE FROM log_lines WHERE (job_seq, attempt) IN (SELECT d.job_seq, d.attempt FROM {rows}) RETURNING job_seq",
)


def rows(seq: int, attempt: int, lines: Iterable[Line]) -> list[Row]:
    """Return the rows of one attempt's lines, as both stores can hold them."""
    return [(seq, attempt, line.number, line.written_us, line.level[:16], storable(line.text)) for line in lines]


def write(session: Session, rows: Sequence[Row]) -> None:
    """Write lines of any attempts."""
    if rows:
        _WRITE.execute(session, sorted(rows))


def read(session: Session, job_seq: int, *, after: tuple[int, int] = START, attempt: int | None = None, limit: int = 500) -> list[LogLine]:
    """Return the job's next lines after (attempt, number), oldest first; of one attempt, or of all."""
    statement = (
        select(LogLine)
        .where(LogLine.job_seq == job_seq, tuple_(LogLine.attempt, LogLine.number) > after)
        .order_by(LogLine.attempt, LogLine.number)
        .limit(limit)
    )
    if attempt is not None:
        statement = statement.where(LogLine.attempt == attempt)
    return list(session.execute(statement).scalars())


def read_many(session: Session, after: Mapping[int, tuple[int, int]], *, limit: int = 500) -> list[LogLine]:
    """Return the next lines of several jobs: seq -> the position to read after. In order of jobs, each job's lines oldest first."""
    if not after:
        return []
    found = _NEXT.execute(session, [(seq, *place) for seq, place in sorted(after.items())], limit=limit)
    return [
        LogLine(job_seq=seq, attempt=attempt, number=number, written_at=from_microseconds(written_us), level=level, text=text)
        for seq, attempt, number, written_us, level, text in found
    ]


def tail(session: Session, job_seq: int, *, limit: int, attempt: int | None = None, severity: str | None = None) -> list[LogLine]:
    """Return the job's last lines, oldest first; of one attempt or all, from this severity on."""
    statement = select(LogLine).where(LogLine.job_seq == job_seq).order_by(LogLine.attempt.desc(), LogLine.number.desc()).limit(limit)
    if attempt is not None:
        statement = statement.where(LogLine.attempt == attempt)
    if severity is not None:
        statement = statement.where(LogLine.level.in_(FROM[severity]) if severity in FROM else LogLine.level.not_in(BELOW_INFO))
    return list(session.execute(statement).scalars())[::-1]


def reaches(level: str, severity: str | None) -> bool:
    """True if a line of this level is shown from this severity on."""
    return severity is None or (level in FROM[severity] if severity in FROM else level not in BELOW_INFO)


def forget(session: Session, attempts: Sequence[tuple[int, int]]) -> None:
    """Delete the lines of (job seq, attempt) whose attempt number will be reused."""
    if attempts:
        _FORGET.execute(session, sorted(attempts))
