"""Clearing: when a backlog is drained at given threads, limits and pauses. Pure: no SQL, no clock; seconds from the present.

Each bottleneck (the threads, a limit of the queue, the limits of an actor) has work that waits, work that arrives, and a speed. The
slowest one decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .model import Gate

#: relative error of a rate limit: its slots are spaced exactly, only the last starts are late
LIMIT_DOUBT = 0.02
#: seconds of threads for which a run is too short to count as none
LEAST_BUSY_S = 0.001


@dataclass(frozen=True, slots=True)
class Flow:
    """The waiting and arriving jobs of one actor; `busy_s`: seconds that each keeps a thread."""

    actor: str
    waiting: int
    arriving_per_s: float
    busy_s: float
    most_per_s: float = math.inf  # by its rate and concurrency limits


@dataclass(frozen=True, slots=True)
class Load:
    """The work of a queue, and how it is done. `paused_s`: until its pause ends, None: until it is resumed."""

    flows: Sequence[Flow]
    threads: float
    efficiency: float = 1.0  # part of the threads' time in which they run jobs of this queue
    uncertainty: float = 0.1  # relative error of `efficiency`
    most_per_s: float = math.inf
    paused_s: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Clearing:
    """Seconds until a backlog is drained, in half and in nine tenths of such cases; None: never, and `reason` says why."""

    waiting: int
    p50: float | None = None
    p90: float | None = None
    reason: str | None = None
    bottleneck: str | None = None


def clear(load: Load, actor: str | None = None) -> Clearing:
    """Compute when the load's backlog, or that of one of its actors, is drained."""
    waiting = sum(flow.waiting for flow in load.flows if actor in (None, flow.actor))
    if not waiting:
        return Clearing(0, 0.0, 0.0)
    if load.paused_s is None:
        return Clearing(waiting, reason="paused until it is resumed")
    if not load.threads:
        return Clearing(waiting, reason="no worker consumes this queue")
    slowest: tuple[float, float, str] | None = None
    for bottleneck in _bottlenecks(load, actor):
        net = bottleneck.per_s - bottleneck.arriving
        if net <= 0 or math.isclose(net, 0, abs_tol=1e-9):
            return Clearing(waiting, reason=f"jobs arrive faster than they start ({bottleneck.name})", bottleneck=bottleneck.name)
        backlog = bottleneck.waiting + bottleneck.arriving * load.paused_s
        gate = Gate(backlog, net, 0.5, bottleneck.uncertainty * bottleneck.per_s / net)
        found = gate.opens_after(0.5) + load.paused_s, gate.opens_after(0.9) + load.paused_s, bottleneck.name
        slowest = max(slowest or found, found)
    assert slowest is not None
    return Clearing(waiting, slowest[0], slowest[1], bottleneck=slowest[2])


@dataclass(frozen=True, slots=True)
class _Bottleneck:
    name: str
    waiting: float
    arriving: float  # a second
    per_s: float
    uncertainty: float


def _bottlenecks(load: Load, actor: str | None) -> Iterator[_Bottleneck]:
    # An actor's jobs share threads and the queue's limits with all others: the whole line decides.
    busy = [(flow, max(LEAST_BUSY_S, flow.busy_s)) for flow in load.flows]
    work = math.fsum(flow.waiting * seconds for flow, seconds in busy)
    arriving = math.fsum(min(flow.arriving_per_s, flow.most_per_s) * seconds for flow, seconds in busy)
    # Jobs that a limit of their own holds back leave threads to others.
    held = [flow for flow in load.flows if flow.waiting and flow.most_per_s < math.inf]
    yield _Bottleneck("the threads", work, arriving, load.threads * load.efficiency, load.uncertainty)
    if load.most_per_s < math.inf:
        jobs, joining = sum(flow.waiting for flow in load.flows), math.fsum(flow.arriving_per_s for flow in load.flows)
        yield _Bottleneck("the queue's limit", jobs, joining, load.most_per_s, LIMIT_DOUBT)
    for flow in held:
        if actor in (None, flow.actor):
            yield _Bottleneck(f"the limit of {flow.actor}", flow.waiting, flow.arriving_per_s, flow.most_per_s, LIMIT_DOUBT)


def with_threads(load: Load, threads: float) -> Load:
    """Return the load served by another number of threads."""
    return replace(load, threads=threads)
