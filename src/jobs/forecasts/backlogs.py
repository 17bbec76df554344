"""Backlog of a queue, read from SQL, and what a change of workers, limits or pauses would make of it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

from ...sql.columns import to_microseconds
from ...sql.statements import plain, run
from ..core.models import BACKLOG_STATES
from ..core.states import State, listed
from ..limits import rates
from .clearing import Clearing, Flow, Load, clear
from .forecast import Forecaster
from .lines import COUNTED

#: newest jobs from which arrivals are measured, and the longest time back
ARRIVED, ARRIVED_US = 2_000, 120_000_000

_QUEUED = plain(f"""
    SELECT coalesce(actor, ''), count(*) FROM (SELECT actor FROM jobs WHERE queue = :queue AND state = '{State.QUEUED}' LIMIT :limit) AS few GROUP BY 1
""")
_DEFERRED = plain(f"""
    SELECT coalesce(actor, ''), count(*) FROM (
        SELECT actor FROM jobs WHERE queue = :queue AND state IN {listed(*BACKLOG_STATES)} AND state = '{State.SCHEDULED}' AND (waits_for LIKE 'rate:%' OR waits_for LIKE 'slot:%'
            OR waits_for LIKE 'fair:%' OR waits_for LIKE 'pause:%' OR due_at <= @(:now)) LIMIT :limit
    ) AS few GROUP BY 1
""")
_ARRIVED = plain("""
    SELECT coalesce(actor, ''), queue, #(created_at) FROM jobs WHERE seq > (SELECT coalesce(max(seq), 0) FROM jobs) - :limit ORDER BY seq DESC
""")


@dataclass(frozen=True, slots=True)
class Change:
    """A change to try: what stays None stays as it is. The limits are those of `actor`, or of the queue."""

    actor: str | None = None
    workers: int | None = None
    threads: int | None = None
    rate: str | None = None  # "none": no limit
    concurrency: int | None = None  # 0: no limit
    pause_s: float | None = None  # 0: resumed
    arrivals: bool = True  # False: as if no more jobs were submitted

    @property
    def is_empty(self) -> bool:
        return self == Change(self.actor, arrivals=self.arrivals)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """When a backlog is drained now, and after a change."""

    present: Clearing
    changed: Clearing | None
    threads: int
    changed_threads: float
    arriving_per_s: float
    is_partial: bool = False  # more than COUNTED jobs wait


def what_if(forecaster: Forecaster, queue: str, change: Change) -> WhatIf:
    """Compare when a queue's backlog, or that of one of its actors, is drained now and after a change."""
    load, is_partial = load_of(forecaster, queue, arrivals=change.arrivals)
    changed = changed_load(forecaster, queue, load, change)
    arriving = math.fsum(flow.arriving_per_s for flow in load.flows if change.actor in (None, flow.actor))
    return WhatIf(
        clear(load, change.actor), None if change.is_empty else clear(changed, change.actor), int(load.threads), changed.threads, arriving, is_partial
    )  # fmt: skip


def load_of(forecaster: Forecaster, queue: str, *, arrivals: bool = True) -> tuple[Load, bool]:
    """Read the load of a queue under today's threads, limits and pauses; True if more waits than was counted."""
    session, history, limits = forecaster.session, forecaster.history, forecaster.limits
    present_us = to_microseconds(forecaster.present)
    queued = Counter(dict(tuple(row) for row in run(session, _QUEUED, queue=queue, limit=COUNTED)))
    deferred = Counter(dict(tuple(row) for row in run(session, _DEFERRED, queue=queue, now=present_us, limit=COUNTED)))
    waiting = queued + deferred
    joining = _arriving(forecaster, queue) if arrivals else {}
    actors = {*waiting, *joining}
    busy = history.busy_s(actors, queue)
    flows = []
    for actor in sorted(actors):
        most = min([limit.per_s for limit in limits.rates(actor, queue) if limit.scope == "actor" and not limit.per_key], default=math.inf)
        slots = [
            limit.most / max(0.001, busy[actor]) for limit in limits.slots(actor, queue) if limit.scope == "actor" and not limit.per_key
        ]
        flows.append(Flow(actor, waiting[actor], joining.get(actor, 0.0), busy[actor], min([most, *slots])))
    threads = forecaster.fleet.threads[queue]
    efficiency = history.efficiency(queue, threads, forecaster.busy_since(queue))
    most = min([limit.per_s for limit in limits.rates("", queue) if limit.scope != "actor"], default=math.inf)
    at_once = min([limit.most for limit in limits.slots("", queue) if limit.scope != "actor"], default=threads)
    load = Load(flows, min(threads, at_once), efficiency.share, efficiency.uncertainty, most, _paused_s(forecaster, queue))
    return load, max(queued.total(), deferred.total()) >= COUNTED


def changed_load(forecaster: Forecaster, queue: str, load: Load, change: Change) -> Load:
    """Return the load after a change."""
    threads = load.threads
    if change.workers is not None or change.threads is not None:
        threads = change.threads if change.threads is not None else (change.workers or 0) * forecaster.fleet.per_worker(queue)
    load = replace(load, threads=threads)
    if change.pause_s is not None:
        load = replace(load, paused_s=change.pause_s)
    if change.rate is not None:
        most = math.inf if change.rate == "none" else min(1_000_000 / rate.spacing_us for rate in rates.parse(change.rate))
        load = _limited(load, change.actor, most)
    if change.concurrency is not None and change.actor is None:
        load = replace(load, threads=min(load.threads, change.concurrency or math.inf))
    elif change.concurrency is not None:
        busy = next((flow.busy_s for flow in load.flows if flow.actor == change.actor), 1.0)
        load = _limited(load, change.actor, change.concurrency / max(0.001, busy) if change.concurrency else math.inf)
    return load


def _limited(load: Load, actor: str | None, most: float) -> Load:
    if actor is None:
        return replace(load, most_per_s=most)
    return replace(load, flows=[replace(flow, most_per_s=most) if flow.actor == actor else flow for flow in load.flows])


def _arriving(forecaster: Forecaster, queue: str) -> dict[str, float]:
    """Measure how many jobs of each actor a second were submitted to the queue in the last minutes."""
    present_us = to_microseconds(forecaster.present)
    rows = run(forecaster.session, _ARRIVED, limit=ARRIVED)
    if not rows:
        return {}
    # With as many rows as were asked for, older jobs may be as new.
    since = max(present_us - ARRIVED_US, rows[-1][2] if len(rows) == ARRIVED else 0)
    counts = Counter(actor for actor, name, created_us in rows if name == queue and created_us >= since)
    seconds = max(1.0, (present_us - since) / 1_000_000)
    return {actor: number / seconds for actor, number in counts.items()}


def _paused_s(forecaster: Forecaster, queue: str) -> float | None:
    pause = forecaster.limits.in_force.pause("", queue, forecaster.present)
    if pause is None:
        return 0.0
    return None if pause.until is None else (pause.until - forecaster.present).total_seconds()
