"""Envelope: the message that says "this attempt of this job may start", in Dramatiq's own format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from ...hooks import Hook
from .values import dumps as dumps

_ANNOUNCED = "callboard_announced"


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message to publish: for job `id`, attempt number `attempt`."""

    seq: int
    id: str
    attempt: int
    queue: str
    actor: str
    priority: int
    body: bytes


def encode(
    *, seq: int, id: str, attempt: int, queue: str, actor: str, priority: int, args: str, kwargs: str, options: str, created_at_ms: int
) -> Envelope:
    """Build the envelope of a job; `args`, `kwargs` and `options` are JSON strings, as the row stores them."""
    mark = f'"attempt":{attempt}'
    options = f"{{{mark}}}" if options == "{}" else f"{options[:-1]},{mark}}}"
    body = (
        f'{{"queue_name":{_quoted(queue)},"actor_name":{_quoted(actor)},"args":{args},"kwargs":{kwargs},'
        f'"options":{options},"message_id":{json.dumps(id)},"message_timestamp":{created_at_ms}}}'
    )
    return Envelope(seq, id, attempt, queue, actor, priority, body.encode())


#: cached: messages share a few queue and actor names
_quoted = lru_cache(maxsize=1024)(json.dumps)

Listener = Callable[[list[Envelope]], None]
#: receives the envelopes of a transaction after its commit
publisher: Hook[Listener] = Hook("publisher")


def leave_to_relay(envelopes: list[Envelope]) -> None:
    """Publish nothing in this process: the relay finds the rows within seconds. For `publisher.connect`."""


def committed(envelopes: list[Envelope]) -> None:
    """Hand over envelopes whose rows have just been committed."""
    publisher.part(envelopes)


def announce(session: Session, envelopes: list[Envelope]) -> None:
    """Hand the envelopes to the publisher when this session's transaction commits; drop them if it rolls back."""
    publisher.require()  # raises here, in the caller's transaction: after the commit it would be too late
    waiting: list[tuple[SessionTransaction | None, list[Envelope]]] = session.info.setdefault(_ANNOUNCED, [])
    waiting.append((session.get_nested_transaction(), envelopes))


@event.listens_for(Session, "after_commit")
def _hand_over(session: Session) -> None:
    if _ANNOUNCED not in session.info or session.in_nested_transaction():
        return
    waiting = session.info.pop(_ANNOUNCED)
    committed([envelope for _, envelopes in waiting for envelope in envelopes])


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, rolled_back: SessionTransaction) -> None:
    if _ANNOUNCED in session.info:
        waiting = session.info[_ANNOUNCED]
        session.info[_ANNOUNCED] = [entry for entry in waiting if not _within(entry[0], rolled_back)]


@event.listens_for(Session, "after_transaction_end")
def _end(session: Session, ended: SessionTransaction) -> None:
    # A session closed without a commit may be reused: drop what it had announced.
    if ended.parent is None:
        session.info.pop(_ANNOUNCED, None)


def _within(transaction: SessionTransaction | None, ancestor: SessionTransaction) -> bool:
    if not ancestor.nested:
        return True  # the whole transaction is gone
    while transaction is not None:
        if transaction is ancestor:
            return True
        transaction = transaction.parent
    return False
