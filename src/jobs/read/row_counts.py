"""Counts of rows by state that the scheduler keeps, for tables too long to be counted on a request. Writes nothing.

A request counts up to COUNTED rows itself, exactly and at once: only longer tables need a scheduler.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...sql.clock import now
from .models import RowCount

#: rows that a request counts itself
COUNTED = 20_000
#: age from which kept counts are not used: no scheduler has counted since
OLDEST = timedelta(minutes=5)
#: name of the counts of a whole table
ALL = ""

#: (name, state) -> number of rows
Counts = dict[tuple[str, str], int]


class Subject(StrEnum):
    """Kinds of counted rows: jobs that have not succeeded, the backlog of each queue, deliveries of emails."""

    JOBS = "jobs"
    BACKLOG = "backlog"
    DELIVERIES = "deliveries"


def latest(session: Session, subject: Subject) -> Counts | None:
    """Return the kept counts; None: none of late, or the caller may not see every row."""
    statement = select(RowCount).where(RowCount.subject == subject, RowCount.counted_at > now() - OLDEST)
    return {(each.name, each.state): each.number for each in session.execute(statement).scalars()} or None
