"""Contents of a dead-letter queue: look at the oldest messages, requeue one as it is or edited, delete one or all.

A quorum queue puts a returned message at its end. So reading takes all messages and returns them one by one: the order stays. RabbitMQ 4
drops a message that was returned more often than its delivery limit, so one that nears it is replaced by a copy, in the same order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pika.exceptions
from dramatiq import Message

from ...jobs.core.errors import JobsError
from ...logs import get_logger
from ...sql.columns import same_json
from ..consume.deliveries import decode
from ..core import topology
from ..core.connections import answered
from .dead_letters import BrokerAway, fresh, give_back, is_worn, opened, origin, waiting

log = get_logger(__name__)

#: messages shown
SHOWN = 20
#: messages of a queue that can be looked into: all of them are taken
MOST = 1_000
#: bytes of them: they are held in memory
MOST_BYTES = 100_000_000
#: characters of an unreadable body
LENGTH = 2_000
_TOO_MANY = "{}: {} can be looked into without changing their order. Requeue them, or delete all."
Taken = tuple[Any, Any, bytes]


class UnknownLetter(JobsError):
    """The dead letter is no longer in the queue."""


class NotEditable(JobsError):
    """The message is not one of Dramatiq, so it has no arguments that could be changed."""


class TooMany(BrokerAway):
    """More dead letters than can be taken at once."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. `actor` None: not a Dramatiq message, see `body`."""

    key: str
    id: str | None  # of the message, and so of its job if it has one
    actor: str | None
    args: Any
    kwargs: Any
    body: str
    reason: str | None  # RabbitMQ's: rejected, delivery_limit, expired, maxlen
    died_at: datetime | None


def peek(queue: str, *, limit: int = SHOWN) -> list[Letter]:
    """Return the oldest dead letters of a Dramatiq queue, oldest first; they stay where they are. Raises BrokerAway."""
    with opened(queue) as channel:
        taken = _taken(channel, queue)
        letters = [_letter(properties, body) for _, properties, body in taken[:limit]]
        _return(channel, queue, taken)
        return letters


def requeue_one(
    queue: str,
    key: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    permit: Callable[[Message[Any] | None], None] = lambda message: None,
) -> None:
    """Requeue one dead letter, with other `args` and `kwargs` if given; it is removed once RabbitMQ has confirmed the copy.

    Raises UnknownLetter, NotEditable, BrokerAway, and what `permit` raises, which gets the message as it is and as edited; None: not one of Dramatiq.
    """

    def publish(channel: Any, properties: Any, body: bytes) -> None:
        permit(message_of(body))
        sent = _edited(body, arguments) if arguments else body
        permit(message_of(sent))
        channel.basic_publish("", origin(queue, properties), sent, fresh(properties), mandatory=True)

    _with_one(queue, key, publish)
    log.info("dead_letter_given_back", queue=queue, key=key, edited=arguments is not None)


def delete_one(queue: str, key: str) -> None:
    """Delete one dead letter. Raises UnknownLetter, BrokerAway."""
    _with_one(queue, key, lambda *_: None)
    log.info("dead_letter_deleted", queue=queue, key=key)


def purge(queue: str) -> int:
    """Delete all dead letters of a queue; return their number. Raises BrokerAway."""
    with opened(queue) as channel:
        if not waiting(channel, topology.dead_letter_queue(queue)):
            return 0
        with answered(channel.connection, f"the deletion of dead letters of {queue}"):
            number = int(channel.queue_purge(topology.dead_letter_queue(queue)).method.message_count)
    log.info("dead_letters_deleted", queue=queue, messages=number)
    return number


def message_of(body: bytes) -> Message[Any] | None:
    """The message of a body; None: not one of Dramatiq."""
    return decode(body)[0]


def _taken(channel: Any, queue: str) -> list[Taken]:
    """Take all dead letters, oldest first. Raises TooMany."""
    letters = topology.dead_letter_queue(queue)
    there = waiting(channel, letters)
    if there > MOST:
        raise TooMany(_TOO_MANY.format(f"{queue} has {there} dead letters", f"at most {MOST}"))
    taken: list[Taken] = []
    size = 0
    while there and len(taken) <= MOST:
        with answered(channel.connection, f"a dead letter of {letters}"):
            got = channel.basic_get(letters)
        if got[0] is None:
            break
        taken.append(got)
        size += len(got[2])
        if size > MOST_BYTES:
            _return(channel, queue, taken)
            raise TooMany(_TOO_MANY.format(f"The dead letters of {queue} are too large", f"at most {MOST_BYTES // 1_000_000} MB of them"))
    return taken


def _return(channel: Any, queue: str, taken: list[Taken]) -> None:
    """Return each message by itself: of those returned together, RabbitMQ 3.10 may mix up the order. If one is worn, all become copies."""
    are_worn = any(is_worn(properties) for _, properties, _ in taken)
    for method, properties, body in taken:
        with answered(channel.connection, f"the return of a dead letter of {queue}"):
            give_back(channel, topology.dead_letter_queue(queue), method, properties, body, as_copy=are_worn)


def _with_one(queue: str, key: str, act: Callable[[Any, Any, bytes], None]) -> None:
    with opened(queue) as channel:
        taken = _taken(channel, queue)
        wanted = next((each for each in taken if _key(each[1], each[2]) == key), None)
        try:
            if wanted is not None:
                with answered(channel.connection, f"a dead letter of {queue}"):
                    act(channel, wanted[1], wanted[2])
                    channel.basic_ack(wanted[0].delivery_tag)
        except Exception as error:
            if isinstance(error, pika.exceptions.UnroutableError) or not isinstance(error, (pika.exceptions.AMQPError, OSError)):
                _return(channel, queue, taken)  # else the channel is gone, and RabbitMQ has returned them
            raise
        _return(channel, queue, [each for each in taken if each is not wanted])
    if wanted is None:
        raise UnknownLetter(f"There is no dead letter {key} in {queue} any more. Reload the list.", field="key")


def _key(properties: Any, body: bytes) -> str:
    """The key of a message in a URL, also without an id. Two of the same id differ by their contents."""
    return hashlib.sha256(f"{properties.message_id}\x1f".encode() + body).hexdigest()[:24]


def _letter(properties: Any, body: bytes) -> Letter:
    """Read a message by the rules of the consumer; another program may have put anything into headers and body."""
    deaths = (properties.headers or {}).get("x-death")
    death = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    died_at, reason = death.get("time"), death.get("reason")
    message, _ = decode(body)
    id, actor, args, kwargs = (
        (None, None, [], {}) if message is None else (message.message_id, message.actor_name, list(message.args), message.kwargs)
    )
    at = died_at.replace(tzinfo=UTC) if isinstance(died_at, datetime) else None
    text = body[: LENGTH * 4].decode("utf-8", "replace")[:LENGTH]
    return Letter(_key(properties, body), id, actor, args, kwargs, text, reason if isinstance(reason, str) else None, at)


def _edited(body: bytes, arguments: Mapping[str, Any]) -> bytes:
    """The message with other arguments; unchanged ones keep the body as it is. Raises NotEditable."""
    message, problem = decode(body)
    if message is None:
        raise NotEditable(f"The arguments of this message cannot be changed: {problem}. Requeue it as it is.", field="args")
    fields = json.loads(body)
    if all(same_json(fields[name], value) for name, value in arguments.items()):
        return body
    return json.dumps({**fields, **arguments}).encode()
