"""Fair queueing: of jobs with a fair key, only a window per queue is published, taken from the keys in turn.

RabbitMQ's queues are first in, first out, so a submitter of 100,000 jobs would delay everyone else. The rest of a key's
jobs wait as rows. Each commit that ends or submits fair jobs tops the window up, the key with the fewest jobs in
progress first.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from ...sql.direct import Direct
from ...sql.statements import Single, plain, run
from ..core.envelopes import announce
from ..core.fleet import fleet_threads
from ..core.models import UNDER_WAY, Job
from ..core.release import release_waiting
from ..core.values import fitting

#: fair jobs queued or running per queue: per actor thread of the fleet, and the minimum
WINDOW_PER_THREAD, LEAST_WINDOW = 4, 32
#: waiting keys considered at once
KEYS_LIMIT = 500
#: prefix of a fair job's `waits_for`, followed by queue and key
FAIR = "fair:"


def waits_for(queue: str, fair_key: str) -> str:
    """Return the `waits_for` of a job while others of its key are in progress."""
    return fitting(f"{FAIR}{queue}:{fair_key}", 255)


def reason(fair_key: str) -> str:
    """Return the waiting reason of such a job."""
    return f"waits for its turn among the jobs of {fair_key!r} and others"


def top_up(session: Session, queue: str) -> int:
    """Queue as many waiting fair jobs as the queue's window has room for; return their number."""
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
                keys.discard(key)  # its unused share goes to the others
    return released


def _shares(keys: Collection[str], under_way: Counter[str], room: int) -> Counter[str]:
    """Distribute the room in turn, the key with the fewest jobs in progress first."""
    turns = [(under_way[key], key) for key in keys]
    heapq.heapify(turns)
    shares: Counter[str] = Counter()
    for _ in range(room):
        count, key = turns[0]
        shares[key] += 1
        heapq.heapreplace(turns, (count + 1, key))
    return shares


def some_wait(session: Session | Direct) -> bool:
    """True if a fair job waits in any queue."""
    return _next(session, FAIR) is not None


def starved(session: Session) -> list[str]:
    """Return the queues with both room and waiting fair jobs.

    An ending tops up the window at once, but cannot see jobs committed only afterwards.
    """
    found: list[str] = []
    key = _next(session, FAIR)
    while key is not None:
        queue = key.split(":")[1]
        if _under_way(session, queue).total() < max(LEAST_WINDOW, fleet_threads(session) * WINDOW_PER_THREAD):
            found.append(queue)
        key = _next(session, f"{FAIR}{queue};")
    return found


def _next(session: Session | Direct, low: str) -> str | None:
    key: str | None = _NEXT.fetch(session, low=low, high=f"{FAIR[:-1]};")[0][0]
    return key


def _under_way(session: Session, queue: str) -> Counter[str]:
    statement = (
        select(Job.fair_key, func.count())
        .where(Job.queue == queue, Job.fair_key.is_not(None), text(f"jobs.{UNDER_WAY}"))
        .group_by(Job.fair_key)
    )
    return Counter({waits_for(queue, key or ""): number for key, number in session.execute(statement)})


_NEXT = Single("SELECT min(waits_for) FROM jobs WHERE waits_for >= :low AND waits_for < :high")
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
    return [key for (key,) in run(session, _KEYS, low=low, high=low[:-1] + ";")]
