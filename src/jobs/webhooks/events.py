"""Webhook events: a delivery for every subscribed webhook, written in the commit that ends the job.

Code that writes a final state calls `note` last in the same transaction. Without webhooks, it costs a query every few
seconds.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, func, insert, select
from sqlalchemy.orm import Session

from ...formats.url_segments import segment
from ...hooks import Hook
from ...logs import get_logger
from ...settings import get_settings
from ...sql.clock import now
from ...sql.database import Database
from ..core.models import Job
from ..core.states import FINAL, State
from ..core.workflow_models import Fate, StoredStep, StoredWorkflow
from .models import Kind, Sent, Webhook, WebhookDelivery

log = get_logger(__name__)

#: seconds for which a process caches the list of webhooks
CACHED_S = 2.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """The events that a webhook subscribes to."""

    id: str
    kind: Kind
    actor: str | None
    states: frozenset[str]

    def wants(self, kind: Kind, actor: str | None, state: str) -> bool:
        return self.kind is kind and state in self.states and self.actor in (None, actor)


class _Cached(NamedTuple):
    """The subscriptions of all webhooks, and when they were read, by time.monotonic()."""

    read_at: float
    subscriptions: list[Subscription]

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.read_at <= CACHED_S


_known: WeakKeyDictionary[Engine, _Cached] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Deliver:
    """How deliveries become jobs: `submit(session, ids, by)` in the caller's transaction, as jobs of `actor`, whose ends cause no events."""

    actor: str
    submit: Callable[[Session, Sequence[str], str | None], None]


delivery: Hook[Deliver] = Hook("webhook delivery")


def submit(session: Session, ids: Sequence[str], by: str | None = None) -> None:
    """Submit the jobs that make these deliveries."""
    if ids:
        delivery.part.submit(session, ids, by)


def forget(session: Session) -> None:
    """Drop the cache after a change: this process reloads at once, others within seconds."""
    _known.pop(_engine(session), None)


def has_subscribers(database: Database) -> bool:
    """True if a webhook exists, so that ends have events to write in their transaction."""
    known = _known.get(database.engine)
    if known is not None and known.is_fresh:
        return bool(known.subscriptions)
    with database.read() as session:
        return bool(_ask(session, database.engine))


def note(session: Session, seqs: Collection[int]) -> None:
    """Submit the deliveries for these ends; jobs that are in no final state are ignored. Never makes an end fail."""
    if not seqs:
        return
    delivery.require()  # outside the try, which would log the missing part and lose the event
    try:
        hooks = _hooks(session)
        if hooks:
            with session.begin_nested():
                _write(session, hooks, seqs)
    except Exception:
        log.exception("webhook_events_not_written")


def subscribed(session: Session) -> list[Subscription]:
    """Read the subscriptions of all webhooks now, past the cache of this process."""
    return _ask(session, _engine(session))


def _hooks(session: Session) -> list[Subscription]:
    engine = _engine(session)
    known = _known.get(engine)
    if known is not None and known.is_fresh:
        return known.subscriptions
    with session.begin_nested():
        return _ask(session, engine)


def _ask(session: Session, engine: Engine) -> list[Subscription]:
    present = time.monotonic()
    rows = session.execute(select(Webhook.id, Webhook.kind, Webhook.actor, Webhook.states)).all()
    hooks = [Subscription(row.id, row.kind, row.actor, frozenset(row.states)) for row in rows]
    _known[engine] = _Cached(present, hooks)
    return hooks


def _write(session: Session, hooks: list[Subscription], seqs: Collection[int]) -> None:
    silent = delivery.part.actor
    columns = (
        Job.id, Job.actor, Job.queue, Job.state, Job.reason, Job.error, Job.attempt, Job.submitted_by, Job.created_at, Job.started_at,
        Job.finished_at, Job.workflow_seq,
    )  # fmt: skip
    ended = session.execute(select(*columns).where(Job.seq.in_(seqs), Job.state.in_(FINAL)).order_by(Job.seq)).all()
    events = [
        (hook, f"job.{job.state.value}", job.id, job.finished_at, _of_job(job))
        for job in ended
        for hook in hooks
        if job.actor != silent and hook.wants(Kind.JOB, job.actor, job.state.value)
    ]
    if any(hook.kind is Kind.WORKFLOW for hook in hooks):
        for id, name, state in _ended_workflows(session, {job.workflow_seq for job in ended if job.workflow_seq is not None}):
            data = {"id": id, "name": name, "state": state, "url": f"{get_settings().effective_public_url}/workflows/{id}"}
            events += [(hook, f"workflow.{state}", id, now(), data) for hook in hooks if hook.wants(Kind.WORKFLOW, None, state)]
    add(session, ((hook.id, event, subject, payload(event, at, data)) for hook, event, subject, at, data in events))


def add(session: Session, deliveries: Iterable[tuple[str, str, str, str]]) -> list[str]:
    """Write deliveries (webhook, event, subject, payload) and submit them; return their ids."""
    rows = [
        {"id": f"msg_{secrets.token_hex(16)}", "webhook_id": hook, "event": event, "subject": subject, "payload": body, "state": Sent.WAITING, "tries": 0, "created_at": now()}
        for hook, event, subject, body in deliveries
    ]  # fmt: skip
    if rows:
        session.execute(insert(WebhookDelivery), rows)
    ids = [str(row["id"]) for row in rows]
    submit(session, ids)
    return ids


def payload(event: str, at: datetime, data: dict[str, Any]) -> str:
    """Return the body of a delivery. It holds neither arguments nor results: authorised receivers query the job."""
    return json.dumps({"type": event, "timestamp": iso(at), "data": data}, separators=(",", ":"))


def _of_job(job: Any) -> dict[str, Any]:
    return {
        "id": job.id, "actor": job.actor, "queue": job.queue, "state": job.state.value, "reason": job.reason, "error": job.error, "attempts": job.attempt,
        "submitted_by": job.submitted_by, "created_at": iso(job.created_at), "started_at": iso(job.started_at), "finished_at": iso(job.finished_at),
        "url": f"{get_settings().effective_public_url}/jobs/{segment(job.id)}",
    }  # fmt: skip


def _ended_workflows(session: Session, seqs: Collection[int]) -> list[tuple[str, str, str]]:
    """Return those of these workflows in which no step runs or will run: id, name and outcome."""
    if not seqs:
        return []
    statement = (
        select(StoredWorkflow.id, StoredWorkflow.name, Job.state, StoredStep.fate, func.count())
        .join(StoredStep, StoredStep.workflow_seq == StoredWorkflow.seq)
        .join(Job, Job.seq == StoredStep.job_seq)
        .where(StoredWorkflow.seq.in_(seqs))
        .group_by(StoredWorkflow.id, StoredWorkflow.name, Job.state, StoredStep.fate)
    )
    found: dict[tuple[str, str], Counter[tuple[State, Fate | None]]] = {}
    for id, name, state, fate, number in session.execute(statement):
        found.setdefault((id, name), Counter())[state, fate] += number
    return [(id, name, _outcome(counts)) for (id, name), counts in found.items() if all(_is_over(*one) for one in counts)]


def _is_over(state: State, fate: Fate | None) -> bool:
    return state in FINAL or fate is Fate.BLOCKED


def _outcome(counts: Counter[tuple[State, Fate | None]]) -> str:
    states = {state for state, fate in counts if fate is not Fate.NOT_NEEDED}
    return next((state.value for state in (State.DEAD, State.EXPIRED, State.CANCELLED) if state in states), State.SUCCEEDED.value)


def _engine(session: Session) -> Engine:
    bind = session.get_bind()
    return bind if isinstance(bind, Engine) else bind.engine


def iso(at: datetime | None) -> str | None:
    """Format the instant for a payload: ISO 8601 in UTC, with a Z."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
