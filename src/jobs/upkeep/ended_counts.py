"""Counts of ended jobs by minute and half hour: written after the minute, from the jobs themselves, so that ends cost nothing more.

Counting is repeatable: a minute that is counted twice, or by two schedulers, has the same counts. A count only grows, so
that it outlives retention and an operator's retry.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ...logs import get_logger
from ...sql.clock import now
from ...sql.statements import is_sqlite, plain, run
from ..core.models import EndedJobs, Job
from ..read.ended import LONG, MINUTE_US, SHORT, UNKNOWN, counted_to, instant_of, minute_of

log = get_logger(__name__)

#: ended jobs counted in one transaction, to the end of their minute
AT_ONCE = 5_000
#: age at which a minute is counted: by then the transactions that ended its jobs have committed
SETTLED = timedelta(seconds=30)
#: an end committed later, as after an outage, is found in this time
CHECKED = timedelta(hours=1)
#: minutes are kept for charts of a day, half hours for those of a year
KEEP = {SHORT: timedelta(days=2), LONG: timedelta(days=400)}

_GREATER = "ON CONFLICT (span, minute, actor, state) DO UPDATE SET jobs = excluded.jobs WHERE excluded.jobs > ended_jobs.jobs"
_MINUTES = plain(f"""
    INSERT INTO ended_jobs (span, minute, actor, state, jobs)
    SELECT {SHORT}, #(finished_at) / {MINUTE_US}, coalesce(actor, '{UNKNOWN}'), state, count(*) FROM jobs
    WHERE finished_at >= @(:since) AND finished_at < @(:until) GROUP BY 2, 3, 4 ORDER BY 2, 3, 4 {_GREATER}
""")
_HALF_HOURS = plain(f"""
    INSERT INTO ended_jobs (span, minute, actor, state, jobs)
    SELECT {LONG}, minute - minute % {LONG}, actor, state, sum(jobs) FROM ended_jobs
    WHERE span = {SHORT} AND minute >= :first AND minute < :last GROUP BY 2, 3, 4 ORDER BY 2, 3, 4 {_GREATER}
""")
_ENDED = plain(
    f"SELECT #(finished_at) / {MINUTE_US}, count(*) FROM jobs WHERE finished_at >= @(:since) AND finished_at < @(:until) GROUP BY 1"
)
_COUNTED = plain(f"SELECT minute, sum(jobs) FROM ended_jobs WHERE span = {SHORT} AND minute >= :first AND minute < :last GROUP BY minute")


def count_new(session: Session, *, limit: int = AT_ONCE) -> int:
    """Count the next minutes with about `limit` ended jobs; return `limit` if more are left, else 0."""
    first, last = counted_to(session), minute_of(now() - SETTLED)
    ended = select(Job.finished_at).where(Job.finished_at.is_not(None), Job.finished_at >= instant_of(first)).order_by(Job.finished_at)
    beyond = session.execute(ended.offset(limit).limit(1)).scalar()
    until = last if beyond is None else min(last, minute_of(beyond) + 1)
    if until > first:
        _count(session, first, until)
    return limit if until < last else 0


def check(session: Session) -> int:
    """Count the minutes of the last hour again in which more jobs have ended than were counted; return their number."""
    last = counted_to(session)
    first = last - CHECKED // timedelta(minutes=1)
    counted = {minute: int(jobs) for minute, jobs in run(session, _COUNTED, first=first, last=last)}
    ended = run(session, _ENDED, since=first * MINUTE_US, until=last * MINUTE_US)
    missed = sorted(minute for minute, jobs in ended if jobs > counted.get(minute, 0))
    for minute in missed:
        _count(session, minute, minute + 1)
    if missed:
        log.info("ended_jobs_counted_again", minutes=len(missed), first=instant_of(missed[0]).isoformat())
    return len(missed)


def prune(session: Session) -> None:
    """Count late ends, and delete counts that no chart shows."""
    check(session)
    # Not the minutes of a half hour that is not counted to its end: it is their sum.
    whole = counted_to(session) // LONG * LONG
    for span, kept in KEEP.items():
        session.execute(delete(EndedJobs).where(EndedJobs.span == span, EndedJobs.minute < min(whole, minute_of(now() - kept))))


def _count(session: Session, first: int, last: int) -> None:
    store = "sqlite" if is_sqlite(session) else "postgresql"
    session.execute(_MINUTES[store], {"since": first * MINUTE_US, "until": last * MINUTE_US})
    session.execute(_HALF_HOURS[store], {"first": first // LONG * LONG, "last": (last // LONG + 1) * LONG})
