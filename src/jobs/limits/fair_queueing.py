"""Fair queueing: of jobs with a fair key only a window is queued per queue, taken from the keys in turn.

A queue in RabbitMQ is first in, first out, so who submits 100,000 jobs would make everybody wait. The rest of a
key's jobs wait as rows; each commit that ends fair jobs, and each that submits some, tops the window up, the key
with the fewest jobs under way first.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...sql.statements import plain, run
from ..core.envelopes import announce
from ..core.fleet import fleet_threads
from ..core.models import Job
from ..core.release import release_waiting
from ..core.states import State

#: fair jobs queued or running per queue, for each actor thread of the fleet, and at least
WINDOW_PER_THREAD, LEAST_WINDOW = 4, 32
#: waiting keys that one look considers
KEYS_LIMIT = 500
#: how what a fair job waits for begins; queue and key follow
FAIR = "fair:"


def waits_for(queue: str, fair_key: str) -> str:
    """What a job says it waits for while others of its key are under way."""
    return f"{FAIR}{queue}:{fair_key}"[:255]


def top_up(session: Session, queue: str) -> int:
    """Queue as many waiting fair jobs as the queue's window has room for; return how many."""
    keys = set(_waiting(session, queue))
    if not keys:
        return 0
    under_way = _under_way(session, queue)
    window = max(LEAST_WINDOW, fleet_threads(session) * WINDOW_PER_THREAD)
    released = 0
    while keys and (room := window - under_way.total()) > 0:
        for key, share in sorted(_shares(keys, under_way, room).items()):
            envelopes = release_waiting(session, key, share)
            announce(session, envelopes)
            under_way[key] += len(envelopes)
            released += len(envelopes)
            if len(envelopes) < share:
                keys.discard(key)  # the rest of its share goes to the others
    return released


def _shares(keys: Collection[str], under_way: Counter[str], room: int) -> Counter[str]:
    """Deal the room out in turn, the key with the fewest jobs under way first."""
    turns = [(under_way[key], key) for key in keys]
    heapq.heapify(turns)
    shares: Counter[str] = Counter()
    for _ in range(room):
        count, key = turns[0]
        shares[key] += 1
        heapq.heapreplace(turns, (count + 1, key))
    return shares


def starved(session: Session) -> list[str]:
    """The queues that have room for fair jobs that wait.

    An ending tops the window up at once, but cannot see jobs whose transaction is committed only afterwards.
    """
    found, key = [], FAIR
    while (key := run(session, _NEXT, low=key, high=f"{FAIR[:-1]};")[0][0]) is not None:
        queue = key.split(":")[1]
        if _under_way(session, queue).total() < max(LEAST_WINDOW, fleet_threads(session) * WINDOW_PER_THREAD):
            found.append(queue)
        key = f"{FAIR}{queue};"
    return found


def _under_way(session: Session, queue: str) -> Counter[str]:
    statement = (
        select(Job.fair_key, func.count())
        .where(Job.queue == queue, Job.fair_key.is_not(None), Job.state.in_([State.QUEUED, State.RUNNING]))
        .group_by(Job.fair_key)
    )
    return Counter({waits_for(queue, row[0] or ""): row[1] for row in session.execute(statement)})


_NEXT = plain("SELECT min(waits_for) FROM jobs WHERE waits_for >= :low AND waits_for < :high")
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
    low = f"{FAIR}{queue}:"
    return [row[0] for row in run(session, _KEYS, low=low, high=low[:-1] + ";")]
