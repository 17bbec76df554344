"""Statistics of ended jobs by span: written after each minute, from the jobs themselves, so that ends cost nothing more.

Counting is repeatable: a minute that is counted twice, or by two schedulers, has the same counts. A count only grows, so
that it outlives retention and an operator's retry. Longer spans are sums of shorter ones.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ...logs import get_logger
from ...sql.clock import now
from ...sql.statements import Batch, plain, run
from ..core.models import Job
from ..read import ended, histograms
from ..read.ended import Ended
from ..read.models import JobStatistics, JobTotals, QueueDepth
from ..read.spans import MINUTE_US, SPANS, counted_to, instant_of, minute_of
from . import actor_weeks, job_totals
from .job_totals import SUMS, row, upsert

log = get_logger(__name__)

#: ended jobs counted in one transaction, to the end of their minute
AT_ONCE = 5_000
#: age at which a minute is counted: by then the transactions that ended its jobs have committed
SETTLED = timedelta(seconds=30)
#: an end committed later, as after an outage, is found in this time
CHECKED = timedelta(hours=1)
#: how long the rows of each span are kept; pages choose the span by the age of what they show
KEEP = dict(zip(SPANS, (timedelta(days=2), timedelta(days=10), timedelta(days=100), timedelta(days=400)), strict=True))

_Key = tuple[int, str, str, str]  # minute, actor, queue, state
_KEY = ("span", "minute", "actor", "queue", "state")
_COLUMNS = dict.fromkeys((*_KEY, *SUMS), "bigint") | dict.fromkeys(("actor", "queue", "state", "waits", "runs"), "text")
_WRITE = Batch(_COLUMNS, upsert("job_statistics", _KEY, SUMS))
_SHORTER = plain(f"""
    SELECT minute, actor, queue, state, {", ".join(SUMS)} FROM job_statistics
    WHERE span = :span AND minute >= :begin AND minute < :end
""")
_ENDED = plain(
    f"SELECT #(finished_at) / {MINUTE_US}, count(*) FROM jobs WHERE finished_at >= @(:since) AND finished_at < @(:until) GROUP BY 1"
)
_COUNTED = plain("SELECT minute, sum(jobs) FROM job_statistics WHERE span = 1 AND minute >= :first AND minute < :last GROUP BY minute")


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of some minutes, not yet written. `is_last`: no ended minute is left."""

    first: int
    until: int
    minutes: dict[_Key, Ended]
    is_last: bool


def count_new(session: Session, *, limit: int = AT_ONCE) -> int:
    """Count the next minutes with about `limit` ended jobs; return `limit` if more are left, else 0."""
    counted = gather(session, limit=limit)
    store(session, counted)
    return 0 if counted.is_last else limit


def gather(session: Session, *, limit: int = AT_ONCE) -> Counted:
    """Count the next minutes with about `limit` ended jobs. Writes nothing: the jobs of a busy minute are read without a lock on the database."""
    first, last = counted_to(session), minute_of(now() - SETTLED)
    finished = select(Job.finished_at).where(Job.finished_at.is_not(None), Job.finished_at >= instant_of(first)).order_by(Job.finished_at)
    beyond = session.execute(finished.offset(limit).limit(1)).scalar()
    until = last if beyond is None else min(last, minute_of(beyond) + 1)
    return Counted(first, until, _minutes(session, first, until), is_last=until >= last)


def store(session: Session, counted: Counted) -> None:
    """Write the counts of minutes, and of the longer spans that have them."""
    if counted.until > counted.first:
        _write(session, SPANS[0], counted.minutes)
        _sum_up(session, counted.first, counted.until)
        job_totals.write(session, counted.first, counted.until)


def check(session: Session) -> int:
    """Count the minutes of the last hour again in which more jobs have ended than were counted; return their number."""
    last = counted_to(session)
    first = last - CHECKED // timedelta(minutes=1)
    counted = {minute: int(jobs) for minute, jobs in run(session, _COUNTED, first=first, last=last)}
    found = run(session, _ENDED, since=first * MINUTE_US, until=last * MINUTE_US)
    missed = sorted(minute for minute, jobs in found if jobs > counted.get(minute, 0))
    # One write for each span, the shorter first: two schedulers that check at once lock rows in the same order.
    _write(session, SPANS[0], {key: each for minute in missed for key, each in _minutes(session, minute, minute + 1).items()})
    _sum_up(session, first, last)  # two schedulers that counted at once may each have summed up without the other's minutes
    job_totals.mend(session, first, last)
    if missed:
        log.info("ended_jobs_counted_again", minutes=len(missed), first=instant_of(missed[0]).isoformat())
    return len(missed)


def prune(session: Session) -> None:
    """Count late ends, and delete statistics that no chart shows."""
    check(session)
    # Not the rows of a longer span that is not over: it is their sum.
    counted = counted_to(session)
    for (span, kept), longer in zip(KEEP.items(), (*SPANS[1:], SPANS[-1]), strict=True):
        before = min(counted // longer * longer, minute_of(now() - kept))
        for table in (JobStatistics, JobTotals, QueueDepth):
            session.execute(delete(table).where(table.span == span, table.minute < before))
    actor_weeks.prune(session, KEEP[SPANS[-1]])


def _minutes(session: Session, first: int, last: int) -> dict[_Key, Ended]:
    minutes: dict[_Key, Ended] = defaultdict(Ended)
    for minute, actor, queue, state, *sums, wait, ran in ended.buckets(session, first, last):
        into = minutes[int(minute), actor, queue, state]
        into.add(state, *sums)
        ended.count_buckets(into, int(sums[0]), wait, ran)
    return minutes


def _sum_up(session: Session, first: int, last: int) -> None:
    for shorter, span in pairwise(SPANS):
        _write(session, span, _summed(session, shorter, first // span * span, (last - 1) // span * span + span, span))


def _summed(session: Session, shorter: int, begin: int, end: int, span: int) -> dict[_Key, Ended]:
    sums: dict[_Key, Ended] = defaultdict(Ended)
    for minute, actor, queue, state, *numbers, waits, runs in run(session, _SHORTER, span=shorter, begin=begin, end=end):
        into = sums[minute // span * span, actor, queue, state]
        into.add(state, *numbers)
        histograms.add(waits, into.waits)
        histograms.add(runs, into.runs)
    return sums


def _write(session: Session, span: int, found: dict[_Key, Ended]) -> None:
    if found:
        _WRITE.execute(session, [[span, *key, *row(each)] for key, each in found.items()])
