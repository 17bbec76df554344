"""Activity: whether anything has happened that the search index, the charts or the error groups must take up."""

from __future__ import annotations

from ...sql.clock import now
from ...sql.direct import Direct
from ...sql.statements import Single
from ..core.states import State
from ..read.spans import minute_of
from .ended_counts import SETTLED

#: the newest job, the present minute, and the newest minute that can be counted
Mark = tuple[int, int, int]

# A scheduler asks this every two seconds: without a session, it takes a hundredth of the CPU of looking everywhere. Each order is that of
# one small index alone. For EXISTS PostgreSQL reads a whole table: it takes unknown values of `noted` for ones that match.
_MARK = Single(f"""
    SELECT coalesce((SELECT max(seq) FROM jobs), 0),
        (SELECT queue FROM jobs WHERE state = '{State.QUEUED}' ORDER BY queue, published_at LIMIT 1) IS NOT NULL
        OR (SELECT worker_id FROM jobs WHERE state = '{State.RUNNING}' ORDER BY worker_id LIMIT 1) IS NOT NULL
        OR (SELECT job_seq FROM attempts WHERE noted = false ORDER BY job_seq LIMIT 1) IS NOT NULL
""")


def mark(direct: Direct) -> Mark | None:
    """Return a mark: while two of them are equal, nothing has happened in between. None: jobs are queued or running, or failures uncounted.

    A job committed late, below the newest one, is not seen, but the minutes change twice a minute.
    """
    newest, is_busy = _MARK.fetch(direct)[0]
    return None if is_busy else (int(newest), minute_of(now()), minute_of(now() - SETTLED))
