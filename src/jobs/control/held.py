"""Held jobs: messages that cannot run until an operator or a deploy resolves it. Stored with the reason, never run."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dramatiq import Message
from sqlalchemy import ColumnElement, Row, Select, and_, select, update
from sqlalchemy.orm import Session

from ... import ACTOR_MODULES
from ...sql.clock import now
from ...sql.direct import Direct
from ...sql.statements import Single
from ...sql.upsert import upsert
from ..core import values
from ..core.envelopes import dumps
from ..core.errors import JobsError
from ..core.models import Attempt, Job, Worker
from ..core.states import HeldFor, State, listed, require
from ..finish import ending
from ..finish.settle import storable
from ..options import message_options
from ..read.queries import NOT_SUCCEEDED
from ..submit import defaults
from ..submit.models import SqlRequest
from ..submit.row import NAME
from ..submit.submission import new_id
from ..upkeep.restoring import forgotten_by

#: characters of an unreadable body that are kept
BODY_LIMIT = 65_536


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A delivery whose body cannot be decoded. `redelivered`: RabbitMQ has delivered it before.

    `id`: that of a message which has one; it is kept whole, once. One that no job can have is ignored. `expected`: the kind
    of message that it is not.
    """

    queue: str
    body: bytes
    problem: str
    redelivered: bool
    id: str | None = None
    expected: str = "a Dramatiq message"


def hold_foreign(session: Session, messages: Sequence[tuple[str, Message[Any]]], *, run: bool) -> None:
    """Insert a row for each (queue, message) that was not submitted here: held, or with `run` queued as if submitted.

    A message that has a row by now keeps it. One that a restored backup may have lost is held even with `run`: it may
    have run before.
    """
    if not messages:
        return
    messages = [(queue, defaults.sealed(message)) for queue, message in messages]
    forgotten = forgotten_by(session, [message.message_timestamp for _, message in messages])
    rows = [
        _blank(queue)
        | {
            "id": message.message_id,
            "actor": message.actor_name,
            "state": State.HELD if reason else State.QUEUED,
            "reason": reason,
            "held_for": HeldFor.FOREIGN if reason else None,
            "args": list(message.args),
            "kwargs": message.kwargs,
            "options": {name: value for name, value in message.options.items() if name not in ("attempt", "eta", "stands_in")},
            "publish_at": None if reason else now(),
        }
        for (queue, message), reason in zip(messages, (each or (None if run else _FOREIGN) for each in forgotten), strict=True)
    ]
    session.execute(upsert(session, Job).on_conflict_do_nothing(index_elements=[Job.id]), rows)


_FOREIGN = "this message was not submitted here; release it to run it (CALLBOARD_FOREIGN_MESSAGES=run releases all)"


def hold_message(session: Session, message: Message[Any], reason: str) -> None:
    """Insert a held row for a message that an operator may release to run, unless its id has a row."""
    message = defaults.sealed(message)
    row = _blank(message.queue_name) | {
        "id": message.message_id,
        "actor": message.actor_name,
        "state": State.HELD,
        "reason": storable(reason, 1000),
        "held_for": HeldFor.FOREIGN,
        "args": list(message.args),
        "kwargs": message.kwargs,
    }
    session.execute(upsert(session, Job).on_conflict_do_nothing(index_elements=[Job.id]), [row])


def hold_request(session: Session, request: SqlRequest, problem: str) -> None:
    """Insert a held row with the id of a request by SQL that cannot become a job."""
    try:
        kwargs = json.loads(request.request).get("kwargs", {})
        message: Message[Any] = Message("default", request.actor, (), kwargs, {}, message_id=request.id)
        is_whole = is_keepable(message) is None
    except (ValueError, RecursionError):
        is_whole = False
    if is_whole:
        reason = f"this request by SQL cannot become a job: {problem}; released, it runs without the options of the request"
        hold_message(session, message, reason)
    else:
        body, kind = request.request.encode(), "a request that can become a job"
        hold_unreadable(session, [Unreadable("default", body, problem, redelivered=False, id=request.id, expected=kind)])


def hold_queued(session: Session, id: str, reason: str) -> None:
    """Hold a job that was just submitted until an operator releases it."""
    ending.hold(session, id, reason, HeldFor.FOREIGN)


def hold_unreadable(session: Session, deliveries: Sequence[Unreadable]) -> None:
    """Store the bodies that cannot be decoded; a redelivered one is not stored twice."""
    rows = []
    for delivery in deliveries:
        body = _body(delivery)
        if (
            delivery.id is None
            and delivery.redelivered
            and session.execute(select(Job.seq).where(NOT_SUCCEEDED, Job.body == body, Job.state == State.HELD).limit(1)).first()
        ):
            continue
        reason = storable(f"not {delivery.expected}: {delivery.problem}", 1000)
        id = delivery.id if delivery.id is not None and NAME.fullmatch(delivery.id) else new_id()
        found = {"id": id, "state": State.HELD, "reason": reason, "held_for": HeldFor.UNREADABLE, "body": body}
        rows.append(_blank(delivery.queue) | found)
    if rows:
        session.execute(upsert(session, Job).on_conflict_do_nothing(index_elements=[Job.id]), rows)


def _body(delivery: Unreadable) -> str:
    """Return a body as text: the beginning of one without an id, the whole of one with an id, in base64 if it is binary."""
    if delivery.id is None:
        return values.storable(delivery.body.decode("utf-8", "backslashreplace"), BODY_LIMIT)
    with suppress(UnicodeDecodeError):
        text = delivery.body.decode()
        if "\0" not in text:
            return text
    return f"base64:{base64.b64encode(delivery.body).decode()}"


def hold_unknown_actors(session: Session, ids: Collection[str], worker: str) -> None:
    """Hold queued jobs whose actor is unknown to the worker that received their message."""
    for id, actor in session.execute(select(Job.id, Job.actor).where(Job.id.in_(ids), Job.state == State.QUEUED).order_by(Job.seq)).all():
        reason = f"worker {worker} has no actor named {actor!r}. Add its module to {ACTOR_MODULES}."
        ending.hold(session, id, reason, HeldFor.UNKNOWN_ACTOR)


require(State.HELD, State.QUEUED)


_SOME = Single(
    f"SELECT seq FROM jobs WHERE state <> '{State.SUCCEEDED}' AND state = '{State.HELD}' AND held_for IN {listed(HeldFor.UNKNOWN_ACTOR, HeldFor.ARGUMENTS)} LIMIT 1"
)


def some_wait_for_code(session: Session | Direct) -> bool:
    """True if a job is held that other code would run; much cheaper than the question which code."""
    return bool(_SOME.fetch(session))


def waits_for(session: Session, actors: Collection[str]) -> bool:
    """True if a job is held because one of these actors was unknown."""
    return session.execute(_waiting_for(actors).limit(1)).first() is not None


def release_known(session: Session, actors: Collection[str]) -> int:
    """Queue again the jobs held for an unknown actor that a worker now has; return their number."""
    waiting = _waiting_for(actors)
    if session.execute(waiting.limit(1)).first() is None:
        return 0
    return _release(session, Job.seq.in_(waiting))


def _waiting_for(actors: Collection[str]) -> Select[int]:
    return select(Job.seq).where(Job.state == State.HELD, Job.held_for == HeldFor.UNKNOWN_ACTOR, Job.actor.in_(actors))


def for_arguments(
    session: Session, actors: Collection[str], *, after: int, limit: int
) -> Sequence[Row[tuple[int, int, str | None, Any, Any]]]:
    """Return jobs of these actors held for their arguments by a worker that is gone: (seq, attempt, actor, args, kwargs), oldest first."""
    still_there = (
        select(Worker.id)
        .where(Worker.name == Attempt.worker, Worker.started_at <= Attempt.started_at)
        .where(Worker.expires_at > now(), Worker.lost_at.is_(None), Worker.stopped_at.is_(None))
    )
    statement = (
        select(Job.seq, Job.attempt, Job.actor, Job.args, Job.kwargs)
        .join(Attempt, and_(Attempt.job_seq == Job.seq, Attempt.number == Job.attempt))
        .where(Job.state == State.HELD, Job.held_for == HeldFor.ARGUMENTS, Job.actor.in_(actors), Job.seq > after, ~still_there.exists())
        .order_by(Job.seq)
        .limit(limit)
    )
    return session.execute(statement).all()


def release_fitting(session: Session, seqs: Collection[int]) -> int:
    """Queue again the jobs held for their arguments that fit now; return their number."""
    return _release(session, Job.seq.in_(seqs), Job.held_for == HeldFor.ARGUMENTS)


def _release(session: Session, *which: ColumnElement[bool]) -> int:
    statement = (
        update(Job)
        .where(*which, Job.state == State.HELD)
        .values(state=State.QUEUED, reason=None, held_for=None, publish_at=now(), published_at=None)
        .execution_options(synchronize_session=False)
    )
    return len(session.execute(statement.returning(Job.seq)).all())


def is_keepable(message: Message[Any]) -> str | None:
    """Return why a decoded message cannot be stored as a row, or None."""
    for name, value in (("message_id", message.message_id), ("actor_name", message.actor_name), ("queue_name", message.queue_name)):
        if not isinstance(value, str) or not NAME.fullmatch(value):
            return f"{name} is not a text of 1 to 255 characters"
    if not isinstance(message.kwargs, dict) or not isinstance(message.options, dict):
        return "kwargs and options must be objects"
    try:
        for part in (message.args, message.kwargs, message.options):
            dumps(part)
        message_options.check_values(message.options)
    except (TypeError, ValueError, JobsError) as error:
        return str(error)
    return None


def _blank(queue: str) -> dict[str, Any]:
    return {
        "actor": None, "queue": queue, "args": [], "kwargs": {}, "options": {}, "priority": 0, "source": "broker", "attempt": 0, "failures": 0,
        "crashes": 0, "cancel_requested": False, "created_at": now(), "reason": None, "held_for": None, "body": None, "publish_at": None,
    }  # fmt: skip
