"""The line that a job waits in, read from SQL: its place, the gates before it, and why nothing can be said.

Counts are bounded, and not filtered by what the caller may see: a filtered line would be a wrong forecast.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...sql.columns import to_microseconds
from ...sql.statements import plain, run
from ..core.models import Job, Worker
from ..core.states import State, listed
from ..limits import concurrency, fair_queueing, policies
from ..limits.models import Slot
from .history import History
from .limits_of import Limits, RateLimit, SlotLimit
from .model import Gate, Situation

#: jobs counted in one line
COUNTED = 10_000
#: jobs of higher priority, and fair keys, that are looked for behind it
SHARES = 1_000
#: earlier jobs whose keys are computed; with more nothing is said
KEYED = 1_000
#: variation of the time between two slots of a rate limit, and the relative error of their rate
EVEN, RATE_DOUBT = 0.2, 0.03
#: of a job that waits for nothing
NEXT = Situation()


@dataclass(frozen=True, slots=True)
class Standing:
    """Place of a job in its line. `ahead`: jobs before it, None: it is in no line; `unknown`: why no forecast is possible."""

    situation: Situation = NEXT
    ahead: int | None = None
    is_partial: bool = False  # more than COUNTED are ahead
    paused: bool = False
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class Fleet:
    """Threads by queue: of all workers that take from it, and the free ones."""

    threads: Counter[str]
    free: Counter[str]
    workers: Counter[str]

    def per_worker(self, queue: str) -> float:
        """Return the threads of a worker of this queue, or of any."""
        served = [queue] if self.workers[queue] else list(self.workers)
        return sum(self.threads[each] for each in served) / max(1, sum(self.workers[each] for each in served))

    @classmethod
    def of(cls, workers: Sequence[Worker]) -> Fleet:
        threads: Counter[str] = Counter()
        free: Counter[str] = Counter()
        number: Counter[str] = Counter()
        for worker in workers:
            for queue in worker.queues if worker.wish is None else ():
                threads[queue] += worker.threads
                free[queue] += worker.threads - worker.busy
                number[queue] += 1
        return cls(threads, free, number)


# Three queues of RabbitMQ make one with priorities: see `queue_of` in src/broker/core/topology.py.
_CLASS = "CASE WHEN priority >= 7 THEN 2 WHEN priority <= 2 THEN 0 ELSE 1 END"
_OF_QUEUE = f"SELECT seq, actor, priority FROM jobs WHERE queue = :queue AND state = '{State.QUEUED}'"
# The limits are of rows that are read: a job at the front of a long line must not read all of it.
_QUEUED = plain(f"""
    SELECT coalesce(actor, ''), count(*) FROM (
        SELECT actor FROM ({_OF_QUEUE} AND published_at < @(:before) ORDER BY published_at LIMIT :limit) AS earlier
            WHERE {_CLASS} >= :class AND seq <> :seq
        UNION ALL
        SELECT actor FROM ({_OF_QUEUE} AND published_at >= @(:before) ORDER BY published_at LIMIT :overtaking) AS later
            WHERE {_CLASS} > :class AND seq <> :seq
    ) AS ahead GROUP BY 1
""")
_OLDEST = plain(f"""
    SELECT #(oldest) FROM (SELECT min(published_at) AS oldest FROM jobs WHERE queue = :queue AND state = '{State.QUEUED}') AS found
""")
_WAITING = plain(f"""
    SELECT count(*), sum(reserved) FROM (
        SELECT CASE WHEN slot_at IS NULL THEN 0 ELSE 1 END AS reserved FROM jobs
        WHERE waits_for = :waits_for AND state = '{State.SCHEDULED}' AND seq < :seq LIMIT :limit
    ) AS ahead
""")
# Not in order: with more rows than the limit, nothing is said about any.
_OF_KEYS = plain(f"""
    SELECT args, kwargs FROM (
        SELECT args, kwargs FROM jobs WHERE waits_for = :waits_for AND state = '{State.SCHEDULED}' AND slot_at IS NULL AND seq < :seq LIMIT :limit
    ) AS waiting
    UNION ALL
    SELECT args, kwargs FROM (
        SELECT CASE WHEN actor = :actor THEN args END AS args, kwargs FROM jobs
        WHERE queue = :queue AND state = '{State.QUEUED}' AND published_at < @(:before) LIMIT :limit
    ) AS queued
""")
_LINE = plain("SELECT next_us FROM rate_limits WHERE key = :key")
_FAIR = plain(f"""
    SELECT count(*) FROM (SELECT seq FROM jobs WHERE waits_for >= :low AND waits_for < :high AND state = '{State.SCHEDULED}' LIMIT :limit) AS few
""")
_FAIR_KEYS = plain(f"""
    SELECT count(DISTINCT fair_key) FROM (
        SELECT fair_key FROM jobs WHERE queue = :queue AND fair_key IS NOT NULL AND state IN {listed(State.QUEUED, State.RUNNING)} LIMIT :limit
    ) AS few
""")


class TooMany(Exception):
    """More earlier jobs than the keys that are computed for one forecast."""


def _key(limit: RateLimit | SlotLimit, args: Any, kwargs: Any) -> str | None:
    """Return the key of a job's line under a limit, as its claim computes it; None: the job is not limited."""
    if limit.key_of is None:
        return limit.key
    try:
        return policies.keyed(limit.key, limit.key_of, args, kwargs)
    except BaseException:  # noqa: BLE001 - an actor's own function: the claim logs the failure, and takes this key, too
        return limit.key


def busy_since(session: Session, queue: str) -> int | None:
    """Return the microsecond since when the longest-waiting job of a queue waits: so long all its threads have had work."""
    [(oldest,)] = run(session, _OLDEST, queue=queue)
    return None if oldest is None else int(oldest)


class Lines:
    """The lines of a fleet, read for one job after another."""

    def __init__(self, session: Session, history: History, limits: Limits, fleet: Fleet, present: datetime) -> None:
        self._session, self._history, self._limits, self._fleet, self._present = session, history, limits, fleet, present

    def standing(self, job: Job) -> Standing:
        """Find out where a job stands."""
        if job.state is State.RUNNING and job.started_at is not None:
            return Standing(Situation(running_s=max(0.0, (self._present - job.started_at).total_seconds())))
        actor, waits_for = job.actor or "", job.waits_for or ""
        if job.state is State.HELD:
            return Standing(unknown="it is held until an operator or a deploy decides")
        if waits_for.startswith("workflow:"):
            return Standing(unknown="it waits for the steps before it")
        if waits_for.startswith("breaker:"):
            return Standing(unknown="its circuit breaker is open")
        pause = self._limits.in_force.pause(actor, job.queue, self._present)
        if pause is not None and pause.until is None:
            return Standing(paused=True, unknown=pause.sentence(" until it is resumed"))
        if not self._fleet.threads[job.queue]:
            return Standing(unknown=f"no living worker consumes queue {job.queue}")
        paused_s = 0.0 if pause is None or pause.until is None else (pause.until - self._present).total_seconds()
        try:
            return self._in_line(job, max(0.0, paused_s))
        except TooMany:
            return Standing(unknown=f"each key has a line of its own under the limit of {actor}, and more than {KEYED} jobs wait before it")

    def _in_line(self, job: Job, paused_s: float) -> Standing:
        gates: list[Gate] = []
        queued = self._queued(job)
        before, is_partial = queued.total(), queued.total() >= COUNTED
        due_s = self._due_s(job)
        if job.waits_for and job.waits_for.startswith(fair_queueing.FAIR):
            before += self._fair(job)
        own = 0  # waits for what this job waits for
        keyed = [limit for limit in self._limits.rates(job.actor or "", job.queue) if limit.per_key and job.waits_for == limit.waits_for]
        if keyed:
            own = math.ceil(min(self._turns(job, limit) for limit in keyed))
        elif job.waits_for and not job.waits_for.startswith(fair_queueing.FAIR):
            own, _ = self._waiting(job.waits_for, job.seq)
            is_partial = is_partial or own >= COUNTED
        gates.append(self._threads(job, queued, before + own))
        gates += self._rates(job, queued, own)
        gates += [gate for limit in self._limits.slots(job.actor or "", job.queue) for gate in self._slots(job, limit, queued)]
        is_in_line = job.state is State.QUEUED or bool(job.waits_for)
        return Standing(Situation(gates, due_s, paused_s), before + own if is_in_line else None, is_partial)

    def _due_s(self, job: Job) -> float:
        """Seconds until a job may start, by its delay, its back-off or its reserved slot."""
        certain = job.slot_at if job.slot_at is not None else None if job.waits_for else job.due_at
        if job.state is State.QUEUED or certain is None:
            return 0.0
        return max(0.0, (certain - self._present).total_seconds())

    def _queued(self, job: Job) -> Counter[str]:
        """Count the queued jobs that start before this one, by actor."""
        rank = 2 if job.priority >= 7 else 0 if job.priority <= 2 else 1
        before = job.published_at if job.state is State.QUEUED and job.published_at is not None else self._present
        rows = run(
            self._session, _QUEUED, queue=job.queue, seq=job.seq, before=to_microseconds(before), limit=COUNTED, overtaking=SHARES, **{"class": rank}
        )  # fmt: skip
        return Counter(dict(tuple(row) for row in rows))

    def _waiting(self, waits_for: str, seq: int) -> tuple[int, int]:
        """Count the earlier jobs that wait for a resource, and those of them with a reserved slot."""
        [(waiting, reserved)] = run(self._session, _WAITING, waits_for=waits_for, seq=seq, limit=COUNTED)
        return int(waiting), int(reserved or 0)

    def _threads(self, job: Job, queued: Counter[str], before: int) -> Gate:
        threads, free = self._fleet.threads[job.queue], self._fleet.free[job.queue]
        actor = job.actor or ""
        busy = self._history.busy_s({*queued, actor}, job.queue)
        others = before - queued.total()  # of the same limit, so mostly of the same actor
        work = sum(number * busy[name] for name, number in queued.items()) + others * busy[actor]
        each = max(0.001, work / before if before else busy[actor])
        efficiency = self._history.efficiency(job.queue, threads, busy_since(self._session, job.queue))
        return Gate(max(0, before + 1 - free), threads * efficiency.share / each, 1.0, efficiency.uncertainty)

    def _rates(self, job: Job, queued: Counter[str], own: int) -> list[Gate]:
        if job.slot_at is not None:
            return []  # its turn is reserved
        gates = []
        for limit in self._limits.rates(job.actor or "", job.queue):
            if limit.per_key:
                gates.append(Gate(self._turns(job, limit), limit.per_s, EVEN, RATE_DOUBT))
                continue
            ahead = queued[job.actor or ""] if limit.scope == "actor" else queued.total()
            if job.waits_for == limit.waits_for:
                waiting, reserved = own, self._waiting(limit.waits_for, job.seq)[1]
            else:
                waiting, reserved = self._waiting(limit.waits_for, 1 << 62)
            gates.append(Gate(ahead + waiting - reserved + self._taken_s(limit.key, limit) * limit.per_s, limit.per_s, EVEN, RATE_DOUBT))
        return gates

    def _turns(self, job: Job, limit: RateLimit) -> float:
        """Return how many jobs of its own key the limit lets start before it. Raises TooMany."""
        if job.slot_at is not None:  # the slots of a key are evenly spaced
            return max(0.0, (job.slot_at - self._present).total_seconds()) * limit.per_s
        key = _key(limit, job.args, job.kwargs)
        if key is None:
            return 0.0
        return self._of_key(job, limit, key) + self._taken_s(key, limit) * limit.per_s

    def _of_key(self, job: Job, limit: RateLimit | SlotLimit, key: str) -> int:
        """Count the jobs of a key before it: those that wait without a slot, and if it does not wait yet those in the queue. Raises TooMany."""
        seq, before = job.seq, 0
        if job.waits_for is None:
            is_queued = job.state is State.QUEUED and job.published_at is not None
            seq, before = 1 << 62, to_microseconds(job.published_at if is_queued and job.published_at else self._present)
        rows = run(
            self._session, _OF_KEYS, waits_for=limit.waits_for, seq=seq, queue=job.queue, actor=job.actor or "", before=before, limit=KEYED + 1,
        )  # fmt: skip
        if len(rows) > KEYED:
            raise TooMany
        return sum(_key(limit, json.loads(args), json.loads(kwargs)) == key for args, kwargs in rows if args is not None)

    def _taken_s(self, key: str, limit: RateLimit) -> float:
        """Return for how many seconds the slots of a line are reserved already."""
        rows = run(self._session, _LINE, key=f"{key}:{limit.rate.count}/{limit.rate.period_s}")
        return max(0.0, ((int(rows[0][0]) if rows else 0) - self._history.present_us) / 1e6)

    def _slots(self, job: Job, limit: SlotLimit, queued: Counter[str]) -> list[Gate]:
        key = _key(limit, job.args, job.kwargs)
        if key is None:
            return []
        waits_for = concurrency.waits_for(key)
        taken = self._session.execute(
            select(func.count()).select_from(Slot).where(Slot.key == waits_for.removeprefix("slot:"))
        ).scalar_one()
        ahead, _ = self._waiting(waits_for, job.seq if job.waits_for == waits_for else 1 << 62)
        if limit.per_key:
            ahead += self._of_key(job, limit, key)
        else:
            ahead += queued[job.actor or ""] if limit.scope == "actor" else queued.total()
        each = max(0.001, self._history.busy_s([job.actor or ""], job.queue)[job.actor or ""])
        return [Gate(max(0, ahead + 1 - max(0, limit.most - taken)), limit.most / each, 1.0, 0.1)]

    def _fair(self, job: Job) -> int:
        """Count the jobs of its own key and of others that start before a job that waits for its fair share."""
        mine, _ = self._waiting(job.waits_for or "", job.seq)
        low = f"{fair_queueing.FAIR}{job.queue}:"
        [(waiting,)] = run(self._session, _FAIR, low=low, high=low[:-1] + ";", limit=COUNTED)
        [(keys,)] = run(self._session, _FAIR_KEYS, queue=job.queue, limit=SHARES)
        # Keys take turns: for each earlier job of this key one of every other key, as far as they have any.
        return min(int(waiting), mine * max(1, int(keys)))
