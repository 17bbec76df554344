"""History of a forecast, read from SQL: how long recent jobs ran, and what share of its threads' time a queue has used.

Each statement reads a bounded number of rows by an index. None is filtered by what the caller may see: the answer is one number.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy.orm import Session

from ...sql.statements import plain, run
from ..core.states import State, listed
from .distributions import Weighted, mean
from .model import LEAST, weighted

#: ended jobs read, of all actors
NEWEST = 1_000
#: jobs of one actor among which ended ones are looked for, if it has few among the newest
OF_ACTOR = 1_000
#: longest time over which the use of threads is measured
WINDOW_US = 120_000_000
#: efficiency assumed without a measurement, and its relative error
ASSUMED, ASSUMED_UNCERTAINTY = 0.9, 0.3
#: least relative error of a measured efficiency
LEAST_UNCERTAINTY = 0.05
#: completions from which the efficiency counts as measured
MEASURED = 5


class Ended(NamedTuple):
    """A job that has ended, with instants in microseconds; `first_us`: the start of its first attempt."""

    actor: str
    queue: str
    ended_us: int
    first_us: int
    last_us: int

    @property
    def span_s(self) -> float:
        return max(0, self.ended_us - self.first_us) / 1_000_000

    @property
    def busy_s(self) -> float:
        return max(0, self.ended_us - self.last_us) / 1_000_000


class Running(NamedTuple):
    """A running job."""

    actor: str
    started_us: int


@dataclass(frozen=True, slots=True)
class Efficiency:
    """The part of its threads' time in which a queue runs jobs, and the relative error of it."""

    share: float = ASSUMED
    uncertainty: float = ASSUMED_UNCERTAINTY


# The CASE spares the lookup of an attempt for each job that had only one.
_ENDED = f"""
    SELECT coalesce(few.actor, ''), few.queue, #(few.finished_at), coalesce(#(first.started_at), #(few.started_at)), #(few.started_at)
    FROM ({{chosen}}) AS few LEFT JOIN attempts AS first
        ON first.job_seq = CASE WHEN few.attempt > 1 THEN few.seq END AND first.number = 1 + coalesce(few.earlier_attempts, 0)
    WHERE few.state IN {listed(State.SUCCEEDED, State.DEAD)} AND few.started_at IS NOT NULL AND few.finished_at IS NOT NULL
    ORDER BY few.finished_at DESC
"""
_NEWEST = plain(
    _ENDED.format(
        chosen="SELECT * FROM jobs WHERE finished_at IS NOT NULL AND finished_at <= @(:now) ORDER BY finished_at DESC LIMIT :limit"
    )
)
_OF_ACTOR = plain(_ENDED.format(chosen="SELECT * FROM jobs WHERE actor = :actor ORDER BY seq DESC LIMIT :limit"))
_RUNNING = plain(f"""
    SELECT coalesce(actor, ''), #(started_at) FROM jobs
    WHERE state <> '{State.SUCCEEDED}' AND state = '{State.RUNNING}' AND queue = :queue AND started_at IS NOT NULL ORDER BY seq LIMIT :limit
""")


class History:
    """Recent jobs, read once for many forecasts."""

    def __init__(self, session: Session, present_us: int) -> None:
        self.present_us = present_us
        self._session = session
        self._ended = _read(run(session, _NEWEST, now=present_us, limit=NEWEST))
        self._runs: dict[str, list[Weighted] | None] = {}
        self._running: dict[str, list[Running]] = {}

    def runs(self, actor: str) -> list[Weighted] | None:
        """Return how long recent jobs of the actor took from first start to end; None if fewer than LEAST are known."""
        if actor not in self._runs:
            spans = [each.span_s for each in self._of(actor)]
            self._runs[actor] = weighted(spans) if len(spans) >= LEAST else None
        return self._runs[actor]

    def busy_s(self, actors: Collection[str], queue: str) -> dict[str, float]:
        """Return how long a job of each actor keeps a thread; of an actor without history, as long as others of its queue."""
        others = [each.busy_s for each in self._ended if each.queue == queue] or [each.busy_s for each in self._ended] or [1.0]
        found = {}
        for actor in actors:
            known = [each.busy_s for each in self._of(actor)]
            found[actor] = mean(weighted(known or others))
        return found

    def efficiency(self, queue: str, threads: int, busy_since_us: int | None) -> Efficiency:
        """Measure the efficiency of a queue's threads since it has had jobs waiting; assume one without a measurement."""
        if busy_since_us is None or not threads:
            return Efficiency()
        since = max(busy_since_us, self.present_us - WINDOW_US)
        if len(self._ended) == NEWEST:  # older ones are not known
            since = max(since, self._ended[-1].ended_us)
        window = self.present_us - since
        done = [each for each in self._ended if each.queue == queue and each.ended_us >= since]
        if len(done) < MEASURED or window <= 0:
            return Efficiency()
        used = sum(each.ended_us - max(each.last_us, since) for each in done)
        used += sum(self.present_us - max(each.started_us, since) for each in self.running(queue, threads))
        measured = min(1.0, max(0.001, used / (window * threads)))
        uncertainty = max(LEAST_UNCERTAINTY, len(done) ** -0.5)
        trust = uncertainty**-2 / (uncertainty**-2 + ASSUMED_UNCERTAINTY**-2)
        return Efficiency(measured**trust * ASSUMED ** (1 - trust), uncertainty)

    def running(self, queue: str, limit: int) -> Sequence[Running]:
        """Return running jobs of a queue, the oldest first."""
        if queue not in self._running:
            self._running[queue] = [Running(*row) for row in run(self._session, _RUNNING, queue=queue, limit=limit)]
        return self._running[queue]

    def _of(self, actor: str) -> list[Ended]:
        found = [each for each in self._ended if each.actor == actor]
        if len(found) < LEAST and len(self._ended) == NEWEST:
            found = max(found, _read(run(self._session, _OF_ACTOR, actor=actor, limit=OF_ACTOR)), key=len)
        return found


def _read(rows: Sequence[Sequence[object]]) -> list[Ended]:
    return [Ended(*row) for row in rows]  # type: ignore[arg-type]
