"""Occurrences of error groups, for lists of them: counts over time, and the jobs that a retry would start. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from ...sql.columns import to_microseconds
from ...sql.statements import plain, run
from ..core.models import Attempt, Job
from ..core.states import State

#: newest failures of a group that are counted over time or by their jobs, and those whose jobs are looked up for a list of many groups
COUNTED, LOOKED_UP = 2_000, 200

_BY_STEP = """
    SELECT {number}, (#(finished_at) - :first) / :step, count(*) FROM (
        SELECT finished_at FROM attempts WHERE fingerprint = :of_{number} AND finished_at >= @(:first) AND finished_at < @(:last)
        ORDER BY finished_at DESC LIMIT :limit
    ) AS newest GROUP BY 2
"""
_DEAD = f"""
    SELECT {{number}}, count(DISTINCT jobs.seq), count(*) FROM (
        SELECT job_seq FROM attempts WHERE fingerprint = :of_{{number}} ORDER BY finished_at DESC LIMIT :limit
    ) AS newest LEFT JOIN jobs ON jobs.seq = newest.job_seq AND jobs.state = '{State.DEAD}'
"""


def by_step(session: Session, fingerprints: Sequence[str], since: datetime, until: datetime, step: timedelta) -> list[list[int]]:
    """Count the failures of each group in each step, up to the newest COUNTED."""
    first, last, length = to_microseconds(since), to_microseconds(until), step // timedelta(microseconds=1)
    counts = [[0] * -(-(last - first) // length) for _ in fingerprints]
    for group, number, found in _of_each(session, _BY_STEP, fingerprints, first=first, last=last, step=length, limit=COUNTED):
        counts[group][number] = found
    return counts


def dead(session: Session, fingerprints: Sequence[str]) -> list[tuple[int, bool]]:
    """Count the dead jobs among the newest failures of each group; True: there may be more."""
    found = sorted(_of_each(session, _DEAD, fingerprints, limit=LOOKED_UP))
    return [(number, looked_at >= LOOKED_UP) for _, number, looked_at in found]


def jobs(session: Session, fingerprint: str, *, since: datetime | None = None) -> tuple[dict[State, int], bool]:
    """Count the jobs of a group's newest failures by their present states; True: there may be more."""
    newest = select(Attempt.job_seq).where(Attempt.fingerprint == fingerprint).order_by(Attempt.finished_at.desc()).limit(COUNTED)
    mine = (newest if since is None else newest.where(Attempt.finished_at >= since)).subquery()
    statement = select(Job.state, func.count(Job.seq.distinct()), func.count()).join(mine, mine.c.job_seq == Job.seq).group_by(Job.state)
    rows = session.execute(statement).all()
    return {state: number for state, number, _ in rows}, sum(failures for *_, failures in rows) >= COUNTED


def grouped(session: Session, attempts: Sequence[tuple[int, int]]) -> set[int]:
    """Return the numbers of the jobs of these attempts, each a job's number and its own, that are in an error group."""
    if not attempts:
        return set()
    one = [and_(Attempt.job_seq == seq, Attempt.number == number) for seq, number in attempts]
    return set(session.execute(select(Attempt.job_seq).where(or_(*one), Attempt.fingerprint.is_not(None))).scalars())


def _of_each(session: Session, statement: str, fingerprints: Sequence[str], **parameters: int) -> list[Any]:
    """Run a statement for each group at once, each with a search of its own in the index."""
    if not fingerprints:
        return []
    names = {f"of_{number}": fingerprint for number, fingerprint in enumerate(fingerprints)}
    return run(session, _joined(statement, len(fingerprints)), **names, **parameters)


@lru_cache(64)
def _joined(statement: str, groups: int) -> dict[str, Any]:
    return plain(" UNION ALL ".join(statement.format(number=number) for number in range(groups)))
