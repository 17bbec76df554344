"""Occurrences of error groups, for lists of them: counts over time, and the jobs that a retry would start. Writes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from ...sql.columns import to_microseconds
from ...sql.statements import plain, run
from ..core.states import State

#: newest failures of a group that are counted: a list shows many groups
COUNTED = 2_000

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
_FINGERPRINTS = plain("SELECT fingerprint FROM attempts WHERE job_seq = :seq AND number = :number")


def by_step(session: Session, fingerprint: str, since: datetime, until: datetime, step: timedelta) -> list[int]:
    """Count a group's failures in each step, up to the newest COUNTED."""
    first, last, length = to_microseconds(since), to_microseconds(until), step // timedelta(microseconds=1)
    counts = [0] * -(-(last - first) // length)
    for number, found in run(session, _BY_STEP, fingerprint=fingerprint, first=first, last=last, step=length, limit=COUNTED):
        counts[number] = found
    return counts


def dead(session: Session, fingerprint: str) -> tuple[int, bool]:
    """Count the dead jobs among a group's newest failures; True: there may be more."""
    [(number, looked_at)] = run(session, _DEAD, fingerprint=fingerprint, limit=COUNTED)
    return number, looked_at >= COUNTED


def fingerprint_of(session: Session, seq: int, attempt: int) -> str | None:
    """Return the error group of an attempt; None: it is in none."""
    found = run(session, _FINGERPRINTS, seq=seq, number=attempt)
    return found[0][0] if found else None
