"""Counts of rows by state, once a minute, for pages and metrics that would count a long table on each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from ...sql.clock import now
from ..read import queries
from ..read.models import RowCount
from ..read.row_counts import COUNTED, Counts, Subject

#: seconds between two counts
EVERY_S = 60
_COUNTINGS: dict[Subject, Callable[[Session], Counts]] = {Subject.JOBS: queries.whole_counts, Subject.BACKLOG: queries.whole_backlog}


def is_due(session: Session) -> bool:
    """True unless another scheduler has counted a moment ago."""
    counted_at = session.execute(select(func.max(RowCount.counted_at))).scalar()
    return counted_at is None or not now() - timedelta(seconds=EVERY_S / 2) < counted_at <= now()


def count(session: Session, others: Mapping[Subject, Callable[[Session], Counts]]) -> dict[Subject, Counts]:
    """Count each subject, and those of higher rooms; return those that a request does not count itself. SQLite's writers do not wait for it."""
    counted = {subject: of(session) for subject, of in {**_COUNTINGS, **others}.items()}
    return {subject: numbers for subject, numbers in counted.items() if sum(numbers.values()) > COUNTED}


def store(session: Session, found: Mapping[Subject, Counts]) -> None:
    """Replace the counts of these subjects."""
    session.execute(delete(RowCount).where(RowCount.subject.in_(found)))
    rows = [
        {"subject": subject, "name": name, "state": str(state), "number": number, "counted_at": now()}
        for subject, numbers in found.items()
        for (name, state), number in numbers.items()
    ]
    session.execute(insert(RowCount), rows)
