"""Statistics over a time range, for charts and the API: ended jobs, waits, runs, depths of queues, and deploys."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import Field
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from .... import actors
from ....jobs.core.states import State
from ....jobs.leases import deploys
from ....jobs.read import depths, ended, histograms, usage
from ....jobs.read import memory as worker_memory
from ....jobs.read.depths import Depth
from ....jobs.read.ended import Ended
from ....jobs.read.histograms import Histogram
from ....jobs.read.memory import Sample
from ....jobs.read.usage import Runs
from ....sql.database import get_database
from ...format.document_fields import Instant
from ...format.instants import write_instant
from ...format.time_ranges import TimeRange
from ...people import permissions

T = TypeVar("T")

#: cache lifetime in seconds: the newest minutes are counted from the jobs themselves
FRESH_S = 15.0
#: final states in the order of charts
OUTCOMES = (State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED)
Seconds = Annotated[float | None, Field(description="seconds; null: unknown")]


class StepDocument(TypedDict):
    """Statistics of one step."""

    at: Instant
    succeeded: int
    dead: int
    cancelled: int
    expired: int
    attempts: int
    wait_p50: Seconds
    wait_p95: Seconds
    run_p50: Seconds
    run_p95: Seconds
    queued: Annotated[int, Field(description="greatest of the step; with an actor: of its queue")]
    running: int
    oldest_seconds: float


class DeployDocument(TypedDict):
    """A version that workers began to run."""

    at: Instant
    version: str


class HistoryDocument(TypedDict):
    """Statistics over a time range."""

    since: Instant
    until: Instant
    step_seconds: int
    steps: list[StepDocument]
    deploys: list[DeployDocument]


@dataclass(frozen=True, slots=True)
class History:
    """Statistics of each column of a time range."""

    period: TimeRange
    ended: list[Ended]
    depths: list[Depth]
    deploys: list[tuple[datetime, str]]

    @property
    def counts(self) -> dict[State, int]:
        """Number of jobs of the whole range by final state."""
        return {state: sum(each.jobs.get(state, 0) for each in self.ended) for state in OUTCOMES}

    def quantile(self, part: float, *, of: str) -> float | None:
        """Quantile in seconds over the whole range; `of`: waits or runs."""
        return histograms.quantile(histograms.summed(getattr(each, of) for each in self.ended), part)


def look(session: Session, period: TimeRange, *, actor: str | None = None, queue: str | None = None) -> History:
    """Read the statistics of the jobs that the caller may see. `actor`, `queue`: only its jobs."""

    def read() -> History:
        series = ended.over_time(session, period.first, period.last, period.step, actor=actor, queue=queue, may_see=permissions.sight())
        limited = permissions.in_force()
        called = actors.broker.actors.get(actor or "")
        only = queue or (called.queue_name if called else None)
        seen = {only} if only is not None else None
        if limited is not None:
            own = limited.own_queues()
            seen = own if seen is None else seen & own
        sampled = depths.over_time(session, period.first, period.last, period.step, queues=seen)
        marks = [(at, version) for at, version in deploys.since(session, period.first) if at < period.last]
        return History(period, series.get("") or _none(period, Ended), sampled.get("") or _none(period, Depth), marks)

    return cached(("look", actor, queue), period, read)


def counts_before(session: Session, period: TimeRange) -> dict[State, int]:
    """Count the ended jobs that the caller may see in the time before, as long as the range, by final state."""

    def read() -> dict[State, int]:
        begin = period.first - (period.last - period.first)
        steps = ended.over_time(session, begin, period.first, period.step, may_see=permissions.sight(), durations=False).get("", [])
        return {state: sum(each.jobs.get(state, 0) for each in steps) for state in OUTCOMES}

    return cached(("before",), period, read)


def by_actor(session: Session, period: TimeRange) -> tuple[dict[str, list[Ended]], dict[str, Histogram]]:
    """Read the ended jobs of each actor, without their durations, and the run times of the whole range."""

    def read() -> tuple[dict[str, list[Ended]], dict[str, Histogram]]:
        series = ended.over_time(session, period.first, period.last, period.step, by="actor", may_see=permissions.sight(), durations=False)
        return series, ended.runs_by_actor(session, period.first, period.last, series)

    return cached(("by actor",), period, read)


def by_schedule(session: Session, period: TimeRange) -> dict[str, list[Runs]]:
    """Read the ended jobs of each schedule, by its name."""
    return cached(("schedules",), period, lambda: usage.by_schedule(session, period.first, period.last, period.step))


def memory(session: Session, period: TimeRange) -> dict[str, list[Sample | None]]:
    """Read the memory of each worker process."""
    return cached(("memory",), period, lambda: worker_memory.over_time(session, period.first, period.last, period.step))


def depths_by_queue(session: Session, period: TimeRange) -> dict[str, list[Depth]]:
    """Read the depths of each queue of which the caller may see all actors."""
    limited = permissions.in_force()
    own = None if limited is None else limited.own_queues()
    return depths.over_time(session, period.first, period.last, period.step, queues=own, by_queue=True)


_kept: dict[object, tuple[float, Any]] = {}
_lock = threading.Lock()


def cached(what: tuple[object, ...], period: TimeRange, read: Callable[[], T]) -> T:
    """Return what was read a few seconds ago for callers with the same limit, or read it now."""
    exact = period.name or (period.since, period.until)
    key, present = (str(get_database().url), what, exact, permissions.in_force()), time.monotonic()
    with _lock:
        for each in [each for each, (kept_at, _) in _kept.items() if present - kept_at > FRESH_S]:
            del _kept[each]
        if key in _kept:
            found: T = _kept[key][1]
            return found
    found = read()
    with _lock:
        _kept[key] = (present, found)
    return found


def document(history: History) -> HistoryDocument:
    """Return the statistics for the API."""
    steps = [_step(at, each, depth) for at, each, depth in zip(history.period.columns, history.ended, history.depths, strict=True)]
    return {
        "since": write_instant(history.period.first), "until": write_instant(history.period.last),
        "step_seconds": int(history.period.step.total_seconds()), "steps": steps,
        "deploys": [{"at": write_instant(at), "version": version} for at, version in history.deploys],
    }  # fmt: skip


def _step(at: datetime, each: Ended, depth: Depth) -> StepDocument:
    counts = {state: each.jobs.get(state, 0) for state in OUTCOMES}
    return {
        "at": write_instant(at), "succeeded": counts[State.SUCCEEDED], "dead": counts[State.DEAD], "cancelled": counts[State.CANCELLED],
        "expired": counts[State.EXPIRED], "attempts": each.attempts,
        "wait_p50": histograms.quantile(each.waits, 0.5), "wait_p95": histograms.quantile(each.waits, 0.95),
        "run_p50": histograms.quantile(each.runs, 0.5), "run_p95": histograms.quantile(each.runs, 0.95),
        "queued": depth.queued, "running": depth.running, "oldest_seconds": depth.oldest_s,
    }  # fmt: skip


def _none(period: TimeRange, kind: Callable[[], T]) -> list[T]:
    return [kind() for _ in period.columns]
