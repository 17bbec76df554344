"""Waiting reasons: why a job is not running, one sentence for each cause, in the order to fix them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.statements import is_sqlite
from ..core.models import Job
from ..core.states import HeldFor, State, listed
from ..core.workflow_models import Fate, StoredEdge, StoredStep
from ..leases import heartbeats, workers
from ..leases.heartbeats import Role
from ..limits import breakers, concurrency, overrides
from ..limits.models import Slot
from ..limits.overrides import Pause
from ..read.queries import QUEUED
from ..workflows.steps import WAITS_FOR

#: jobs named in one sentence, and the largest position counted
NAMED, COUNTED = 3, 10_000
#: as in the index of fair shares, or SQLite would not use it
_UNDER_WAY = text(f"jobs.state IN {listed(State.QUEUED, State.RUNNING)}")
#: a job due within this time is also affected by RabbitMQ problems
SOON = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """Problems of RabbitMQ, as sentences: `away` stops every delivery, `blocked` only new messages."""

    away: Sequence[str] = ()
    blocked: Sequence[str] = ()


def why(session: Session, job: Job, broker: BrokerFacts | None = None) -> list[str]:
    """Return the reasons why this job is not running; empty if it runs or has ended."""
    if not job.state.is_waiting:
        return []
    causes = {State.HELD: _held, State.SCHEDULED: _scheduled, State.RETRYING: _retrying, State.QUEUED: _queued}
    facts = broker or BrokerFacts()
    return [*_read_only(session), *_pauses(session, job), *_breaker(session, job), *causes[job.state](session, job, facts)]


def _read_only(session: Session) -> Iterator[str]:
    if is_sqlite(session):
        path = session.get_bind().engine.url.database or ""
        is_read_only = os.path.exists(path) and not os.access(path, os.W_OK)
    else:
        asked = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'"
        is_read_only = bool(session.execute(text(asked)).scalar())
    if is_read_only:
        yield "the database takes no writes (read-only): no job can start until it does"


def _pauses(session: Session, job: Job) -> Iterator[str]:
    mine = {("all", ""), ("queue", job.queue), ("actor", job.actor or "")}
    for pause in overrides.load(session).pauses(now()):
        if (pause.scope, pause.name) in mine:
            yield _pause(pause)


def _pause(pause: Pause) -> str:
    until = "until it is resumed" if pause.until is None else f"until {_instant(pause.until)}"
    by = f" by {pause.set_by}" if pause.set_by else ""
    return f"{pause}{',' if pause.reason else ''} {until}{by}"


def _breaker(session: Session, job: Job) -> Iterator[str]:
    state = breakers.states(session, [job.actor]).get(job.actor) if job.actor else None
    if state is not None and state.opened_at is not None:
        probe = f"; next probe at {_instant(state.probe_at)}" if state.probe_at else ""
        yield f"the circuit breaker of {job.actor} is open after {state.failures} failures in a row{probe}"


def _held(session: Session, job: Job, _broker: BrokerFacts) -> Iterator[str]:
    yield job.reason or "it is held: an operator must release or discard it"
    if job.held_for is HeldFor.UNKNOWN_ACTOR:
        alive = workers.alive(session)
        if any(job.actor in worker.actors for worker in alive):
            yield f"a worker that has the actor {job.actor} is alive: it is released within seconds"
        else:
            yield f"no living worker has the actor {job.actor}"


def _scheduled(session: Session, job: Job, broker: BrokerFacts) -> Iterator[str]:
    kind = (job.waits_for or "").partition(":")[0]
    if job.waits_for is None:
        yield from _due(session, job, "it is scheduled for", broker)
    elif job.waits_for.startswith(WAITS_FOR):
        yield from _steps(session, job)
    elif kind == "slot":
        yield _slots(session, job)
    elif kind == "rate":
        yield f"{job.reason or 'it waits for its turn under a rate limit'}; its turn is at {_instant(job.slot_at or job.due_at or now())}"
    elif kind == "fair":
        yield _fair(session, job)
    elif kind == "pause" and not any(True for _ in _pauses(session, job)):
        yield "its pause has ended: it is queued within seconds"
    elif kind not in ("pause", "breaker"):
        yield job.reason or f"it waits for {job.waits_for}"
    elif kind == "breaker" and not any(True for _ in _breaker(session, job)):
        yield "its circuit breaker has closed: it is queued within seconds"


def _retrying(session: Session, job: Job, broker: BrokerFacts) -> Iterator[str]:
    failed = f"attempt {job.attempt} failed{f' ({job.reason})' if job.reason else ''}: the next one is due at"
    yield from _due(session, job, failed, broker)


def _due(session: Session, job: Job, words: str, broker: BrokerFacts) -> Iterator[str]:
    due = job.due_at or now()
    if due > now():
        yield f"{words} {_instant(due)}"
    else:
        yield f"{words} {_instant(due)}, and a relay queues it now"
        yield from _no_relay(session)
    if due < now() + SOON:
        yield from (*broker.away, *broker.blocked)


def _no_relay(session: Session) -> Iterator[str]:
    if not heartbeats.alive(session, Role.RELAY):
        yield "no relay is alive that could publish it: start a worker or a scheduler"


def _steps(session: Session, job: Job) -> Iterator[str]:
    """The steps that it waits for, or why its turn will not come."""
    step = session.get(StoredStep, job.seq)
    before = (
        select(StoredStep.name, Job.state)
        .join(StoredEdge, StoredEdge.before_seq == StoredStep.job_seq)
        .join(Job, Job.seq == StoredStep.job_seq)
        .where(StoredEdge.after_seq == job.seq)
        .order_by(Job.seq)
    )
    found = [(name, state) for name, state in session.execute(before)]
    if step is not None and step.fate is Fate.BLOCKED:
        yield f"{job.reason or 'blocked by a step that failed'}; it goes on once that step is retried and succeeds"
        return
    left = [(name, state) for name, state in found if not state.is_final]
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    if left:
        yield f"it waits for {'step' if len(left) == 1 else 'steps'} " + ", ".join(f"{n} ({s})" for n, s in left[:NAMED]) + more
    else:
        yield job.reason or "it waits for the steps before it"


def _slots(session: Session, job: Job) -> str:
    key = (job.waits_for or "").removeprefix("slot:")
    holders = list(session.execute(select(Job.id).join(Slot, Slot.job_seq == Job.seq).where(Slot.key == key).limit(NAMED + 1)).scalars())
    if not holders:
        return f"a slot of {key} is free: it asks again within {concurrency.ASK_AGAIN_S} s"
    named = ", ".join(holders[:NAMED]) + (" and others" if len(holders) > NAMED else "")
    return f"{job.reason or f'the slots of {key} are taken'}, by {named}"


def _fair(session: Session, job: Job) -> str:
    under_way = select(Job.fair_key, func.count()).where(Job.queue == job.queue, Job.fair_key.is_not(None), _UNDER_WAY)
    counts = dict(session.execute(under_way.group_by(Job.fair_key)).all())
    ahead = _count(session, job, Job.waits_for == job.waits_for, Job.state == State.SCHEDULED, Job.seq < job.seq)
    mine, others = counts.get(job.fair_key, 0), sum(counts.values()) - counts.get(job.fair_key, 0)
    return (
        f"it waits for its fair share of queue {job.queue}: {mine} jobs of {job.fair_key} and {others} of others are under way, "
        f"{ahead} of {job.fair_key} are ahead of it"
    )


def _queued(session: Session, job: Job, broker: BrokerFacts) -> Iterator[str]:
    if job.reason:
        yield job.reason
    yield from broker.away
    if job.publish_at is not None:
        yield from broker.blocked
        if not broker.away and not broker.blocked:
            yield "RabbitMQ has not confirmed its message yet"
        yield from _no_relay(session)
    fleet = workers.fleet(session)
    serving = [worker for worker in fleet if worker.wish is None and job.queue in worker.queues]
    if not fleet:
        yield "no worker is alive"
    elif not serving:
        quiet = sum(worker.wish is not None and job.queue in worker.queues for worker in fleet)
        yield f"no living worker takes from queue {job.queue}" + (f": {quiet} of them are quiet or stopping" if quiet else "")
    elif not any(job.actor in worker.actors for worker in serving):
        yield f"none of the {len(serving)} workers of queue {job.queue} has the actor {job.actor}"
    else:
        threads, busy = sum(worker.threads for worker in serving), sum(worker.busy for worker in serving)
        earlier = Job.published_at < job.published_at if job.published_at is not None else Job.seq < job.seq
        ahead = _count(session, job, Job.queue == job.queue, QUEUED, earlier)
        if busy >= threads:
            yield f"all {threads} threads of the workers of queue {job.queue} are busy"
        if ahead:
            yield f"{ahead}{' or more' if ahead == COUNTED else ''} jobs of queue {job.queue} were queued before it"
        elif busy < threads and job.publish_at is None and not broker.away:
            yield f"it is the next of queue {job.queue}, and {threads - busy} of {threads} threads are free"


def _count(session: Session, job: Job, *conditions: object) -> int:
    some = select(Job.seq).where(Job.seq != job.seq, *conditions).limit(COUNTED)  # type: ignore[arg-type]
    return int(session.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def _instant(value: datetime) -> str:
    return f"{value:%H:%M:%S}" + (" UTC" if value.date() == now().date() else f" UTC on {value:%Y-%m-%d}")
