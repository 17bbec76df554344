"""Occurrences of error groups, for lists of them: counts over time, and the jobs that a retry would start. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from ...sql.columns import to_microseconds
from ...sql.statements import plain, run
from ..core.models import Attempt
from ..core.states import State

#: newest failures of a group that are counted over time, and whose jobs are looked up: a list shows many groups
COUNTED, LOOKED_UP = 2_000, 500

_BY_STEP = plain("""
    SELECT (#(finished_at) - :first) / :step, count(*) FROM (
        SELECT finished_at FROM attempts WHERE fingerprint = :fingerprint AND finished_at >= @(:first) AND finished_at < @(:last)
        ORDER BY finished_at DESC LIMIT :limit
    ) AS newest GROUP BY 1
""")
_DEAD = plain(f"""
    SELECT count(DISTINCT jobs.seq), count(*) FROM (
        SELECT job_seq FROM attempts WHERE fingerprint = :fingerprint ORDER BY finished_at DESC LIMIT :limit
    ) AS newest LEFT JOIN jobs ON jobs.seq = newest.job_seq AND jobs.state = '{State.DEAD}'
""")


def by_step(session: Session, fingerprint: str, since: datetime, until: datetime, step: timedelta) -> list[int]:
    """Count a group's failures in each step, up to the newest COUNTED."""
    first, last, length = to_microseconds(since), to_microseconds(until), step // timedelta(microseconds=1)
    counts = [0] * -(-(last - first) // length)
    for number, found in run(session, _BY_STEP, fingerprint=fingerprint, first=first, last=last, step=length, limit=COUNTED):
        counts[number] = found
    return counts


def dead(session: Session, fingerprint: str) -> tuple[int, bool]:
    """Count the dead jobs among a group's newest failures; True: there may be more."""
    [(number, looked_at)] = run(session, _DEAD, fingerprint=fingerprint, limit=LOOKED_UP)
    return number, looked_at >= LOOKED_UP


def grouped(session: Session, attempts: Sequence[tuple[int, int]]) -> set[int]:
    """Return the numbers of the jobs of these attempts, each a job's number and its own, that are in an error group."""
    if not attempts:
        return set()
    one = [and_(Attempt.job_seq == seq, Attempt.number == number) for seq, number in attempts]
    return set(session.execute(select(Attempt.job_seq).where(or_(*one), Attempt.fingerprint.is_not(None))).scalars())
