"""Fair shares: of jobs with a fair key only a window is queued per queue, taken from the keys in turn.

A queue in RabbitMQ is first in, first out, so who submits 100,000 jobs would make everybody wait. The rest of a
key's jobs wait as rows; each commit that ends fair jobs, and each that submits some, tops the window up, the key
with the fewest jobs under way first.
"""

from __future__ import annotations

import heapq
from collections import Counter

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from src.jobs import due
from src.jobs.envelopes import announce
from src.jobs.models import Job
from src.jobs.statements import plain, run
from src.jobs.states import State
from src.jobs.workers import fleet_threads

#: fair jobs queued or running per queue, for each actor thread of the fleet, and at least
WINDOW_PER_THREAD, LEAST_WINDOW = 4, 32
#: waiting keys that one look considers
KEYS_LIMIT = 500


def waits_for(queue: str, fair_key: str) -> str:
    """What a job says it waits for while others of its key are under way."""
    return f"fair:{queue}:{fair_key}"[:255]


def top_up(session: Session, queue: str) -> int:
    """Queue as many waiting fair jobs as the queue's window has room for; return how many."""
    under_way = _under_way(session, queue)
    room = max(LEAST_WINDOW, fleet_threads(session) * WINDOW_PER_THREAD) - under_way.total()
    if room <= 0:
        return 0
    turns = [(under_way[key], key) for key in _waiting(session, queue)]
    heapq.heapify(turns)
    shares: Counter[str] = Counter()
    for _ in range(room):
        if not turns:
            break
        count, key = heapq.heappop(turns)
        shares[key] += 1
        heapq.heappush(turns, (count + 1, key))
    released = 0
    for key, share in sorted(shares.items()):
        envelopes = due.release_waiting(session, key, share)
        announce(session, envelopes)
        released += len(envelopes)
    return released


def _under_way(session: Session, queue: str) -> Counter[str]:
    statement = (
        select(Job.fair_key, func.count())
        .where(Job.queue == queue, Job.fair_key.is_not(None), Job.state.in_([State.QUEUED, State.RUNNING]))
        .group_by(Job.fair_key)
    )
    return Counter({waits_for(queue, row[0] or ""): row[1] for row in session.execute(statement)})


# One index probe per key, however many jobs each has.
_KEYS = plain(f"""
    WITH RECURSIVE keys(key, n) AS (
        SELECT (SELECT min(waits_for) FROM jobs WHERE waits_for >= :low AND waits_for < :high), 1
        UNION ALL
        SELECT (SELECT min(waits_for) FROM jobs WHERE waits_for > keys.key AND waits_for < :high), keys.n + 1
        FROM keys WHERE keys.key IS NOT NULL AND keys.n < {KEYS_LIMIT}
    )
    SELECT key FROM keys WHERE key IS NOT NULL
""")


def _waiting(session: Session, queue: str) -> list[str]:
    low = f"fair:{queue}:"
    return [row[0] for row in run(session, _KEYS, low=low, high=low[:-1] + ";")]
