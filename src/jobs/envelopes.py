"""What travels: the message that says "this job, this attempt, may start", in Dramatiq's own format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

_ANNOUNCED = "callboard_announced"
#: made once: json.dumps() makes an encoder per call when it is told the separators, which takes twice as long as encoding
_encode = json.JSONEncoder(separators=(",", ":")).encode


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
    """Build the envelope of a job; `args`, `kwargs` and `options` are JSON texts, as the row keeps them."""
    mark = f'"attempt":{attempt}'
    options = f"{{{mark}}}" if options == "{}" else f"{options[:-1]},{mark}}}"
    body = (
        f'{{"queue_name":{_quoted(queue)},"actor_name":{_quoted(actor)},"args":{args},"kwargs":{kwargs},'
        f'"options":{options},"message_id":{json.dumps(id)},"message_timestamp":{created_at_ms}}}'
    )
    return Envelope(seq, id, attempt, queue, actor, priority, body.encode())


#: the few names of queues and actors are the same in every message
_quoted = lru_cache(maxsize=1024)(json.dumps)

Listener = Callable[[list[Envelope]], None]
_listener: Listener | None = None


def on_commit(listener: Listener | None) -> None:
    """Name who is handed the envelopes of a transaction once it has committed; None: only the relay publishes."""
    global _listener
    _listener = listener


def committed(envelopes: list[Envelope]) -> None:
    """Hand over envelopes whose rows have just been committed."""
    if _listener is not None:
        _listener(envelopes)


def announce(session: Session, envelopes: list[Envelope]) -> None:
    """Hand the envelopes to the publisher when this session's transaction commits; forget them if it rolls back."""
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
    # A session that was closed without a commit may be used again: what it had announced is gone with its rows.
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


_EMPTY: dict[type, str] = {list: "[]", dict: "{}"}
#: levels of lists and objects within each other; json's own limit depends on how deep the caller's stack is
DEEPEST = 200


def dumps(value: Any) -> str:
    """Compact JSON; raises TypeError or ValueError for what JSON cannot hold, or only some callers could read back."""
    if not value and type(value) in _EMPTY:
        return _EMPTY[type(value)]
    try:
        text = _encode(value)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    # Counting brackets is cheap and settles it for nearly every value.
    if text.count("[") + text.count("{") > DEEPEST and _depth(value) > DEEPEST:
        raise ValueError(_TOO_DEEP)
    return text


_TOO_DEEP = f"nested more than {DEEPEST} levels deep"


def _depth(value: Any) -> int:
    """Levels of lists and objects within each other, counted up to one more than DEEPEST."""
    depth, level = 0, [value]
    while depth <= DEEPEST:
        level = [each for each in level if isinstance(each, dict | list | tuple)]
        if not level:
            break
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth
