"""Statistics of ended jobs added up, to compare totals with the rows that they sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from src.jobs.read import histograms
from src.jobs.read.ended import Ended
from src.jobs.read.models import ALL, JobStatistics, JobTotals
from src.sql.database import Database


def totals(database: Database) -> dict[tuple[int, int, str], Ended]:
    """Return `job_totals` by span, minute and queue."""
    with database.read() as session:
        return _added((row, row.queue) for row in session.execute(select(JobTotals)).scalars())


def sums(database: Database) -> dict[tuple[int, int, str], Ended]:
    """Return the sums that the totals must equal."""
    with database.read() as session:
        rows = session.execute(select(JobStatistics)).scalars().all()
        return _added((row, queue) for row in rows for queue in (row.queue, ALL))


def _added(rows: Iterable[tuple[Any, str]]) -> dict[tuple[int, int, str], Ended]:
    """Add rows of a table of statistics by span, minute and queue."""
    found: dict[tuple[int, int, str], Ended] = defaultdict(Ended)
    for row, queue in rows:
        into = found[row.span, row.minute, queue]
        into.add(row.state, row.jobs, row.attempts, row.wait_us, row.run_us)
        histograms.add(row.waits, into.waits)
        histograms.add(row.runs, into.runs)
    return dict(found)
