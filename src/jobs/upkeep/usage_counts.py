"""Usage by minute and hour, written after the minute from the jobs and attempts themselves, so that ends cost nothing more.

Counting is repeatable, as that of ended jobs: a minute counted twice, or by two schedulers, has the same sums. A sum is replaced only by
one of more jobs, so that it outlives retention.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.statements import is_sqlite, plain
from ..core.models import Job
from ..read.ended import UNKNOWN
from ..read.spans import MINUTE_US, instant_of, minute_of
from ..read.usage import LONG, SHORT, SHORT_KEPT
from ..read.usage_models import Usage
from .ended_counts import SETTLED

#: ended jobs summed in one transaction, to the end of their minute
AT_ONCE = 2_000
#: minutes are kept until their hour is certainly complete, hours for a year's bill
KEEP = {SHORT: SHORT_KEPT, LONG: timedelta(days=400)}
#: minutes that are summed again: ends committed late, as after an outage, are found in this time
AGAIN = 10

_SUMS = "jobs, attempts, measured, cpu_us, run_us, wait_us, memory_bytes"
_GREATER = f"""ON CONFLICT (span, minute, actor, source, submitted_by) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in _SUMS.split(", "))} WHERE excluded.jobs > job_usage.jobs"""
_MINUTES = plain(f"""
    INSERT INTO job_usage (span, minute, actor, source, submitted_by, {_SUMS})
    SELECT {SHORT}, of_jobs.minute, of_jobs.actor, of_jobs.source, of_jobs.submitter, count(*), sum(of_jobs.attempts), sum(of_jobs.measured), sum(of_jobs.cpu),
        sum(of_jobs.run), sum(of_jobs.wait), max(of_jobs.memory)
    FROM (
        SELECT #(jobs.finished_at) / {MINUTE_US} AS minute, coalesce(jobs.actor, '{UNKNOWN}') AS actor, jobs.source AS source,
            coalesce(jobs.submitted_by, '') AS submitter, count(attempts.number) AS attempts, count(attempts.cpu_us) AS measured,
            coalesce(sum(attempts.cpu_us), 0) AS cpu, coalesce(sum(#(attempts.finished_at) - #(attempts.started_at)), 0) AS run,
            coalesce(max(CASE WHEN attempts.number = 1 THEN #(attempts.started_at) - CASE WHEN jobs.due_at > jobs.created_at
                AND jobs.due_at <= attempts.started_at THEN #(jobs.due_at) ELSE #(jobs.created_at) END END), 0) AS wait,
            max(attempts.memory_bytes) AS memory
        FROM jobs LEFT JOIN attempts ON attempts.job_seq = jobs.seq AND attempts.number > coalesce(jobs.earlier_attempts, 0)
        WHERE jobs.finished_at >= @(:since) AND jobs.finished_at < @(:until) GROUP BY jobs.seq
    ) AS of_jobs GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5 {_GREATER}
""")
_HOURS = plain(f"""
    INSERT INTO job_usage (span, minute, actor, source, submitted_by, {_SUMS})
    SELECT {LONG}, minute - minute % {LONG}, actor, source, submitted_by, sum(jobs), sum(attempts), sum(measured), sum(cpu_us), sum(run_us),
        sum(wait_us), max(memory_bytes)
    FROM job_usage WHERE span = {SHORT} AND minute >= :first AND minute < :last GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5 {_GREATER}
""")


def count_new(session: Session, *, limit: int = AT_ONCE) -> int:
    """Sum the next minutes with about `limit` ended jobs; return `limit` if more are left, else 0."""
    first, last = counted_to(session), minute_of(now() - SETTLED)
    ended = select(Job.finished_at).where(Job.finished_at.is_not(None), Job.finished_at >= instant_of(first)).order_by(Job.finished_at)
    beyond = session.execute(ended.offset(limit).limit(1)).scalar()
    until = last if beyond is None else min(last, minute_of(beyond) + 1)
    if until > first:
        count(session, first, until)
    return limit if until < last else 0


def counted_to(session: Session) -> int:
    """Return the first minute that is not summed yet."""
    newest = session.execute(select(func.max(Usage.minute)).where(Usage.span == SHORT)).scalar()
    hour = session.execute(select(func.max(Usage.minute)).where(Usage.span == LONG)).scalar()
    return max(0 if newest is None else newest + 1, hour or 0)


def count(session: Session, first: int, last: int) -> None:
    """Sum these minutes, and their hours again."""
    store = "sqlite" if is_sqlite(session) else "postgresql"
    session.execute(_MINUTES[store], {"since": first * MINUTE_US, "until": last * MINUTE_US})
    session.execute(_HOURS[store], {"first": first // LONG * LONG, "last": (last // LONG + 1) * LONG})


def prune(session: Session) -> None:
    """Sum the last minutes again for late ends, and delete sums that no bill shows."""
    until = counted_to(session)
    count(session, until - AGAIN, until)
    whole = until // LONG * LONG
    for span, kept in KEEP.items():
        session.execute(delete(Usage).where(Usage.span == span, Usage.minute < min(whole, minute_of(now() - kept))))
