"""Waiting reasons: why a job is not running, one sentence for each cause, in the order to fix them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from ...formats.quantities import counted
from ...sql.clock import now
from ...sql.statements import is_sqlite
from ..core.models import UNDER_WAY, Attempt, Job
from ..core.states import HeldFor, State
from ..core.workflow_models import Fate, StoredEdge, StoredStep
from ..leases import heartbeats, workers
from ..leases.heartbeats import Role
from ..limits import breakers, concurrency, overrides
from ..limits.models import Slot
from ..limits.overrides import Pause
from ..read.queries import QUEUED
from ..search.grammar import quote
from ..workflows.steps import WAITS_FOR

#: jobs named in one sentence, and the largest position counted
NAMED, COUNTED = 3, 10_000
#: a job due within this time is also affected by RabbitMQ problems
SOON = timedelta(seconds=30)


class LinkKind(StrEnum):
    """Kind of a thing that a job may wait for."""

    ACTOR = "actor"
    ALERTS = "alerts"
    ERROR = "error"  # a fingerprint
    HELD = State.HELD.value
    JOB = "job"
    JOBS = "jobs"  # a query
    OVERVIEW = "overview"  # the health of database, RabbitMQ and schedulers
    QUEUE = "queue"
    QUEUES = "queues"  # the pause of everything
    SCHEDULE = "schedule"  # its id
    WORKERS = "workers"
    WORKFLOW = "workflow"


class Link(NamedTuple):
    """A thing that the job waits for: its kind, and its name, id or query."""

    kind: LinkKind
    name: str = ""


class Reason(NamedTuple):
    """One reason as a sentence, with links to what it names."""

    text: str
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """Problems of RabbitMQ, as sentences: `away` stops every delivery, `blocked` only new messages."""

    away: Sequence[str] = ()
    blocked: Sequence[str] = ()


def why(session: Session, job: Job, broker: BrokerFacts | None = None) -> list[Reason]:
    """Return the reasons why this job is not running; empty if it runs or has ended."""
    if not job.state.is_waiting:
        return []
    causes = {State.HELD: _held, State.SCHEDULED: _scheduled, State.RETRYING: _retrying, State.QUEUED: _queued}
    facts = broker or BrokerFacts()
    return [*_read_only(session), *_pauses(session, job), *_breaker(session, job), *causes[job.state](session, job, facts)]


def _read_only(session: Session) -> Iterator[Reason]:
    if is_sqlite(session):
        path = session.get_bind().engine.url.database or ""
        is_read_only = os.path.exists(path) and not os.access(path, os.W_OK)
    else:
        asked = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'"
        is_read_only = bool(session.execute(text(asked)).scalar())
    if is_read_only:
        yield Reason("the database takes no writes (read-only): no job can start until it does", (Link(LinkKind.OVERVIEW),))


def _pauses(session: Session, job: Job) -> Iterator[Reason]:
    mine = {("all", ""), ("queue", job.queue), ("actor", job.actor or "")}
    for pause in overrides.load(session).pauses(now()):
        if (pause.scope, pause.name) in mine:
            yield Reason(_pause(pause), (_target(pause.scope, pause.name),))


def _pause(pause: Pause) -> str:
    until = "until it is resumed" if pause.until is None else f"until {_instant(pause.until)}"
    by = f" by {pause.set_by}" if pause.set_by else ""
    return pause.sentence(f" {until}{by}")


def _breaker(session: Session, job: Job) -> Iterator[Reason]:
    state = breakers.states(session, [job.actor]).get(job.actor) if job.actor else None
    if state is not None and state.opened_at is not None:
        probe = f"; next probe at {_instant(state.probe_at)}" if state.probe_at else ""
        text = f"the circuit breaker of {job.actor} is open after {counted(state.failures, 'failure')} in a row{probe}"
        yield Reason(text, (Link(LinkKind.ACTOR, job.actor or ""), Link(LinkKind.JOBS, f"actor:{quote(job.actor or '')} state:failed")))


def _held(session: Session, job: Job, _broker: BrokerFacts) -> Iterator[Reason]:
    yield Reason(job.reason or "it is held: an operator must release or discard it", (Link(LinkKind.HELD),))
    if job.held_for is HeldFor.UNKNOWN_ACTOR:
        alive = workers.alive(session)
        if any(job.actor in worker.actors for worker in alive):
            yield Reason(f"a worker that has the actor {job.actor} is alive: it is released within seconds", _WORKERS)
        else:
            yield Reason(f"no living worker has the actor {job.actor}", _WORKERS)


def _scheduled(session: Session, job: Job, broker: BrokerFacts) -> Iterator[Reason]:
    kind = (job.waits_for or "").partition(":")[0]
    if job.waits_for is None:
        coming = f"actor:{quote(job.actor or '')} state:{State.SCHEDULED}"
        yield from _due(session, job, "it is scheduled for", broker, Link(LinkKind.JOBS, coming))
    elif job.waits_for.startswith(WAITS_FOR):
        yield from _steps(session, job)
    elif kind == "slot":
        yield _slots(session, job)
    elif kind == "rate":
        turn = f"{job.reason or 'it waits for its turn under a rate limit'}; its turn is at {_unless_expired(job, job.slot_at or job.due_at or now())}"
        yield Reason(turn, _limited(job.waits_for.removeprefix("rate:")))
    elif kind == "fair":
        yield _fair(session, job)
    elif kind == "pause" and not any(True for _ in _pauses(session, job)):
        yield Reason("its pause has ended: it is queued within seconds", _WORKERS)
    elif kind not in ("pause", "breaker"):
        yield Reason(job.reason or f"it waits for {job.waits_for}", (_other(job),))
    elif kind == "breaker" and not any(True for _ in _breaker(session, job)):
        yield Reason("its circuit breaker has closed: it is queued within seconds", _WORKERS)


def _other(job: Job) -> Link:
    """Link to the schedule whose earlier job is not finished, or to the job that stands for this one."""
    kind, _, name = (job.waits_for or "").partition(":")
    return Link(LinkKind(kind), name) if kind in (LinkKind.SCHEDULE, LinkKind.JOB) else Link(LinkKind.ACTOR, job.actor or "")


def _retrying(session: Session, job: Job, broker: BrokerFacts) -> Iterator[Reason]:
    failed = f"attempt {job.attempt} failed{f' ({job.reason})' if job.reason else ''}: the next one is due at"
    newest = select(Attempt.fingerprint).where(Attempt.job_seq == job.seq, Attempt.fingerprint.is_not(None))
    fingerprint = session.execute(newest.order_by(Attempt.number.desc()).limit(1)).scalar()
    retrying = Link(LinkKind.JOBS, f"actor:{quote(job.actor or '')} state:{State.RETRYING}")
    yield from _due(session, job, failed, broker, Link(LinkKind.ERROR, fingerprint) if fingerprint else retrying)


def _due(session: Session, job: Job, words: str, broker: BrokerFacts, link: Link) -> Iterator[Reason]:
    due = job.due_at or now()
    if due > now():
        yield Reason(f"{words} {_unless_expired(job, due)}", (link,))
    else:
        yield Reason(f"{words} {_instant(due)}, and a relay queues it now", (link, *_WORKERS))
        yield from _no_relay(session)
    if due < now() + SOON:
        yield from _alarms(*broker.away, *broker.blocked)


def _no_relay(session: Session) -> Iterator[Reason]:
    if not heartbeats.alive(session, Role.RELAY):
        yield Reason("no relay is alive that could publish it: start a worker or a scheduler", _WORKERS)


def _steps(session: Session, job: Job) -> Iterator[Reason]:
    """The steps that it waits for, or why its turn will not come."""
    step = session.get(StoredStep, job.seq)
    before = (
        select(StoredStep.name, Job.state, Job.id)
        .join(StoredEdge, StoredEdge.before_seq == StoredStep.job_seq)
        .join(Job, Job.seq == StoredStep.job_seq)
        .where(StoredEdge.after_seq == job.seq)
        .order_by(Job.seq)
    )
    found = session.execute(before).all()
    workflow = Link(LinkKind.WORKFLOW, (job.waits_for or "").removeprefix(WAITS_FOR))
    if step is not None and step.fate is Fate.BLOCKED:
        failed = tuple(Link(LinkKind.JOB, each.id) for each in found if each.state.is_final and each.state is not State.SUCCEEDED)
        text = f"{job.reason or 'blocked by a step that failed'}; it goes on once that step is retried and succeeds"
        yield Reason(text, (*failed[:NAMED], workflow))
        return
    left = [each for each in found if not each.state.is_final]
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    if left:
        named = ", ".join(f"{each.name} ({each.state})" for each in left[:NAMED])
        text = f"it waits for {'step' if len(left) == 1 else 'steps'} {named}{more}"
        yield Reason(text, (*(Link(LinkKind.JOB, each.id) for each in left[:NAMED]), workflow))
    else:
        yield Reason(job.reason or "it waits for the steps before it", (workflow,))


def _slots(session: Session, job: Job) -> Reason:
    key = (job.waits_for or "").removeprefix("slot:")
    holders = list(session.execute(select(Job.id).join(Slot, Slot.job_seq == Job.seq).where(Slot.key == key).limit(NAMED + 1)).scalars())
    if not holders:
        return Reason(f"a slot of {key} is free: it asks again within {concurrency.ASK_AGAIN_S} s", _limited(key))
    named = ", ".join(holders[:NAMED]) + (" and others" if len(holders) > NAMED else "")
    links = (*(Link(LinkKind.JOB, id) for id in holders[:NAMED]), *_limited(key))
    return Reason(f"{job.reason or f'the slots of {key} are taken'}, by {named}", links)


def _fair(session: Session, job: Job) -> Reason:
    under_way = select(Job.fair_key, func.count()).where(Job.queue == job.queue, Job.fair_key.is_not(None), text(f"jobs.{UNDER_WAY}"))
    counts = dict(session.execute(under_way.group_by(Job.fair_key)).all())
    ahead = _count(session, job, Job.waits_for == job.waits_for, Job.state == State.SCHEDULED, Job.seq < job.seq)
    mine, others = counts.get(job.fair_key, 0), sum(counts.values()) - counts.get(job.fair_key, 0)
    sentence = (
        f"it waits for its fair share of queue {job.queue}: {counted(mine, 'job')} of {job.fair_key} and {others} of others are under way, "
        f"{counted(ahead, f'of {job.fair_key} is', f'of {job.fair_key} are')} ahead of it"
    )
    same = f"queue:{quote(job.queue)} key:{quote(job.fair_key or '')} state:queued,running,scheduled"
    return Reason(sentence, (Link(LinkKind.JOBS, same), Link(LinkKind.QUEUE, job.queue)))


def _queued(session: Session, job: Job, broker: BrokerFacts) -> Iterator[Reason]:
    queue = Link(LinkKind.QUEUE, job.queue)
    if job.reason:
        yield Reason(job.reason, (queue,))
    yield from _alarms(*broker.away)
    if job.publish_at is not None:
        yield from _alarms(*broker.blocked)
        if not broker.away and not broker.blocked:
            yield Reason("RabbitMQ has not confirmed its message yet", (queue,))
        yield from _no_relay(session)
    fleet = workers.fleet(session)
    serving = [worker for worker in fleet if worker.wish is None and job.queue in worker.queues]
    if not fleet:
        yield Reason("no worker is alive", _WORKERS)
    elif not serving:
        quiet = sum(worker.wish is not None and job.queue in worker.queues for worker in fleet)
        stopping = f": {counted(quiet, 'of them is', 'of them are')} quiet or stopping" if quiet else ""
        yield Reason(f"no living worker consumes queue {job.queue}{stopping}", (*_WORKERS, queue))
    elif not any(job.actor in worker.actors for worker in serving):
        yield Reason(f"no worker of queue {job.queue} has the actor {job.actor}", (*_WORKERS, queue))
    else:
        yield from _turn(session, job, broker, sum(worker.threads for worker in serving), sum(worker.busy for worker in serving))


def _turn(session: Session, job: Job, broker: BrokerFacts, threads: int, busy: int) -> Iterator[Reason]:
    """Yield the place of a job in a queue that workers consume."""
    named = quote(job.queue)
    earlier = Job.published_at < job.published_at if job.published_at is not None else Job.seq < job.seq
    ahead = _count(session, job, Job.queue == job.queue, QUEUED, earlier)
    if busy >= threads:
        running = Link(LinkKind.JOBS, f"queue:{named} state:running")
        text = f"the only thread of queue {job.queue} is busy" if threads == 1 else f"all {threads} threads of queue {job.queue} are busy"
        yield Reason(text, (running, *_WORKERS))
    if ahead:
        more = "or more " if ahead == COUNTED else ""
        text = f"{counted(ahead, f'job of queue {job.queue} was', f'{more}jobs of queue {job.queue} were')} queued before it"
        yield Reason(text, (Link(LinkKind.JOBS, f"queue:{named} state:queued"), Link(LinkKind.QUEUE, job.queue)))
    elif busy < threads and job.publish_at is None and not broker.away:
        text = f"it is the next of queue {job.queue}, and {counted(threads - busy, 'thread is', 'threads are')} free"
        yield Reason(text, (Link(LinkKind.QUEUE, job.queue),))


_WORKERS = (Link(LinkKind.WORKERS),)


def _alarms(*sentences: str) -> Iterator[Reason]:
    yield from (Reason(each, (Link(LinkKind.ALERTS),)) for each in sentences)


def _limited(key: str) -> tuple[Link, ...]:
    """Return the link to the target of a limit, from the key of its slots: actor:add, or actor:add:KEY."""
    scope, _, name = key.partition(":")
    return (_target(scope, name.partition(":")[0]),) if scope in ("all", "queue", "actor") else ()


def _target(scope: str, name: str) -> Link:
    """Return the link to the page that sets pauses and limits of a target."""
    return Link(LinkKind.QUEUES) if scope == "all" else Link(LinkKind(scope), name)


def _count(session: Session, job: Job, *conditions: object) -> int:
    some = select(Job.seq).where(Job.seq != job.seq, *conditions).limit(COUNTED)  # type: ignore[arg-type]
    return int(session.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def _unless_expired(job: Job, instant: datetime) -> str:
    if job.expires_at is None or job.expires_at > instant:
        return _instant(instant)
    return f"{_instant(instant)}, but the job expires before that, at {_instant(job.expires_at)}"


def _instant(value: datetime) -> str:
    return f"{value:%H:%M:%S}" + (" UTC" if value.date() == now().date() else f" UTC on {value:%Y-%m-%d}")
