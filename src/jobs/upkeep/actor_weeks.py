"""Run times of each actor in each week that is over: sums of its days, written in steps of one week, without a gap between two weeks."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from ...sql.clock import now
from ..read import histograms
from ..read.ended import WEEK
from ..read.histograms import Histogram
from ..read.models import ActorRuns, JobStatistics
from ..read.spans import SPANS, counted_to, minute_of

#: weeks summed in one transaction
AT_ONCE = 1
DAY = SPANS[-1]
#: age from which the counts of a day no longer change
SETTLED = timedelta(days=1)


def fill(session: Session) -> int:
    """Sum the next week, newer ones first; return `AT_ONCE` if there may be more, else 0."""
    oldest, newest = session.execute(select(func.min(ActorRuns.week), func.max(ActorRuns.week))).one()
    over = (counted_to(session) - SETTLED // timedelta(minutes=1)) // WEEK * WEEK
    days = select(JobStatistics.minute).where(JobStatistics.span == DAY).limit(1)
    found = None
    if newest is not None:
        later = days.where(JobStatistics.minute >= newest + WEEK, JobStatistics.minute < over)
        found = session.execute(later.order_by(JobStatistics.minute)).scalar()
    if found is None:
        earlier = days.where(JobStatistics.minute < (over if oldest is None else oldest))
        found = session.execute(earlier.order_by(JobStatistics.minute.desc())).scalar()
    if found is None:
        return 0
    _write(session, found // WEEK * WEEK)
    return AT_ONCE


def prune(session: Session, keep: timedelta) -> None:
    """Delete weeks whose days are older than this."""
    session.execute(delete(ActorRuns).where(ActorRuns.week < minute_of(now() - keep) - WEEK))


def _write(session: Session, week: int) -> None:
    columns = select(JobStatistics.actor, JobStatistics.runs).where(JobStatistics.span == DAY)
    sums: dict[str, Histogram] = defaultdict(histograms.empty)
    for actor, runs in session.execute(columns.where(JobStatistics.minute >= week, JobStatistics.minute < week + WEEK)):
        histograms.add(runs, sums[actor])
    rows = [{"week": week, "actor": actor, "runs": histograms.write(each)} for actor, each in sums.items()]
    session.execute(insert(ActorRuns), rows)
