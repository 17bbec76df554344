"""Memory of worker processes over time, for charts. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from ...sql.statements import plain, run
from .spans import minute_of, span_of

_GREATEST = plain("""
    SELECT (minute - :first) / :step, worker, max(memory_bytes), max(jobs_done) FROM worker_memory
    WHERE span = :span AND minute >= :first AND minute < :last GROUP BY 1, 2
""")


class Sample(NamedTuple):
    """Greatest resident memory within a step, and the jobs done by then since the process began."""

    memory_bytes: int
    jobs_done: int


class Growth(NamedTuple):
    """Change of memory between the first and the last known step, and the jobs done meanwhile."""

    memory_bytes: int
    steps: int
    jobs: int


def over_time(session: Session, since: datetime, until: datetime, step: timedelta) -> dict[str, list[Sample | None]]:
    """Return the memory of each worker in each step, in order; None: it was not alive."""
    first, last, length = minute_of(since), minute_of(until), step // timedelta(minutes=1)
    found: dict[str, list[Sample | None]] = {}
    for at, name, memory_bytes, jobs_done in run(session, _GREATEST, first=first, last=last, step=length, span=span_of(length)):
        found.setdefault(name, [None] * ((last - first) // length))[at] = Sample(int(memory_bytes), int(jobs_done))
    return found


def growth(samples: Sequence[Sample | None]) -> Growth | None:
    """Compare the last step with the first one; None if fewer than two are known. A process that began again counts from its start."""
    known = [(at, each) for at, each in enumerate(samples) if each is not None]
    starts = [later for later in range(1, len(known)) if known[later][1].jobs_done < known[later - 1][1].jobs_done]
    known = known[starts[-1] if starts else 0 :]
    if len(known) < 2:
        return None
    (first_at, first), (last_at, last) = known[0], known[-1]
    return Growth(last.memory_bytes - first.memory_bytes, last_at - first_at, last.jobs_done - first.jobs_done)
