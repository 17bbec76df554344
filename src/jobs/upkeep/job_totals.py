"""Totals of the statistics of ended jobs over all actors: written with them, and for older ones in bounded steps.

A chart of all actors then reads a few rows for each of its columns, however many actors there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...sql.statements import Batch, plain, run
from ..read import histograms
from ..read.ended import Ended
from ..read.models import ALL, JobStatistics, JobTotals
from ..read.spans import SPANS

#: spans summed in one transaction
AT_ONCE = 20
SUMS = ("jobs", "attempts", "wait_us", "run_us", "waits", "runs")
_KEY = ("span", "minute", "queue", "state")
_COLUMNS = dict.fromkeys((*_KEY, *SUMS), "bigint") | dict.fromkeys(("queue", "state", "waits", "runs"), "text")
_ROWS = plain(f"""
    SELECT minute, queue, state, {", ".join(SUMS)} FROM job_statistics WHERE span = :span AND minute >= :begin AND minute < :end
""")
# Sums of numbers, not of histograms: a busy hour is summed in milliseconds.
_DIFFERENT = plain(f"""
    SELECT minute FROM (
        SELECT minute, jobs FROM job_statistics WHERE span = :span AND minute >= :begin AND minute < :end
        UNION ALL SELECT minute, -jobs FROM job_totals WHERE span = :span AND minute >= :begin AND minute < :end AND queue = '{ALL}'
    ) AS both_tables GROUP BY minute HAVING sum(jobs) <> 0
""")
# Of each span, the newest statistic that is older than all totals: one lookup in the index each.
_OLDER = plain(
    " UNION ALL ".join(
        f"""SELECT {span} AS span, (
            SELECT max(minute) FROM job_statistics
            WHERE span = {span} AND minute < coalesce((SELECT min(minute) FROM job_totals WHERE span = {span}), {2**53})
        ) AS minute"""
        for span in SPANS
    )
)


def upsert(table: str, key: Sequence[str], sums: Sequence[str]) -> str:
    """A statement that writes the rows of a `Batch`; of two counts of the same jobs the greater stays."""
    names = (*key, *sums)
    return f"""
        INSERT INTO {table} ({", ".join(names)}) SELECT {", ".join(f"d.{name}" for name in names)} FROM {{rows}}
        WHERE true ORDER BY {", ".join(str(number + 1) for number in range(len(key)))}
        ON CONFLICT ({", ".join(key)}) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in sums)} WHERE excluded.jobs > {table}.jobs
    """


_WRITE = Batch(_COLUMNS, upsert("job_totals", _KEY, SUMS))


def row(each: Ended) -> Iterable[Any]:
    """Return the sums of a row, with its histograms as texts."""
    return each.total, each.attempts, each.wait_us, each.run_us, histograms.write(each.waits), histograms.write(each.runs)


def write(session: Session, first: int, last: int) -> None:
    """Write the totals of each span that has a minute of this period, and of later ones that a process of the release before has counted."""
    newest = select(func.max(JobTotals.minute)).where(JobTotals.span == SPANS[0]).scalar_subquery()
    missed = session.execute(
        select(func.min(JobStatistics.minute)).where(JobStatistics.span == SPANS[0], JobStatistics.minute > newest)
    ).scalar()
    begin = first if missed is None else min(first, missed)
    for span in SPANS:
        _sum(session, span, begin // span * span, (last - 1) // span * span + span)


def mend(session: Session, first: int, last: int) -> None:
    """Write the totals of this period again that differ from the statistics: two schedulers may each have summed without the other's rows."""
    for span in SPANS:
        begin, end = first // span * span, (last - 1) // span * span + span
        for (minute,) in run(session, _DIFFERENT, span=span, begin=begin, end=end):
            _sum(session, span, minute, minute + span)


def fill_older(session: Session) -> int:
    """Write the next totals of statistics that are older than all totals; return `AT_ONCE` if there may be more, else 0."""
    found = [(span, minute) for span, minute in run(session, _OLDER) if minute is not None]
    for span, minute in found[:1]:
        _sum(session, span, minute - (AT_ONCE - 1) * span, minute + span)
    return AT_ONCE if found else 0


def _sum(session: Session, span: int, begin: int, end: int) -> None:
    sums: dict[tuple[int, str, str], Ended] = defaultdict(Ended)
    for minute, queue, state, *numbers, waits, runs in run(session, _ROWS, span=span, begin=begin, end=end):
        for name in (queue, ALL):
            into = sums[minute, name, state]
            into.add(state, *numbers)
            histograms.add(waits, into.waits)
            histograms.add(runs, into.runs)
    if sums:
        _WRITE.execute(session, [[span, *key, *row(each)] for key, each in sums.items()])
