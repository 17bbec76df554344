"""Contents of a dead-letter queue: look at the oldest messages, requeue one as it is or edited, delete one or all.

A quorum queue puts a returned message at its end. So reading takes all messages and returns them one by one: the order stays. RabbitMQ 4
drops a message that was returned more often than its delivery limit, so one that nears it is replaced by a copy, in the same order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pika.exceptions

from ...jobs.core.errors import JobsError
from ...logs import get_logger
from ..core import topology
from ..core.connections import answered
from .dead_letters import BrokerAway, connected, fresh, origin

log = get_logger(__name__)

#: messages shown
SHOWN = 20
#: messages of a queue that can be looked into: all of them are taken
MOST = 1_000
#: deliveries after which a message is replaced by a copy; RabbitMQ 4 drops it after 20
RENEWED_AFTER = 15
#: characters of an unreadable body
LENGTH = 2_000
_COUNTS = ("x-delivery-count", "x-acquired-count")


class UnknownLetter(JobsError):
    """The dead letter is no longer in the queue."""


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
    with _channel(queue) as channel:
        taken = _taken(channel, queue)
        letters = [_letter(properties, body) for _, properties, body in taken[:limit]]
        _return(channel, queue, taken)
        return letters


def requeue_one(queue: str, key: str, *, arguments: Mapping[str, Any] | None = None) -> None:
    """Requeue one dead letter, with other `args` and `kwargs` if given; it is removed once RabbitMQ has confirmed the copy.

    Raises UnknownLetter, BrokerAway.
    """

    def publish(channel: Any, properties: Any, body: bytes) -> None:
        sent = json.dumps({**json.loads(body), **arguments}).encode() if arguments else body
        channel.basic_publish("", origin(queue, properties), sent, fresh(properties), mandatory=True)

    _with_one(queue, key, publish)
    log.info("dead_letter_given_back", queue=queue, key=key, edited=arguments is not None)


def delete_one(queue: str, key: str) -> None:
    """Delete one dead letter. Raises UnknownLetter, BrokerAway."""
    _with_one(queue, key, lambda *_: None)
    log.info("dead_letter_deleted", queue=queue, key=key)


def purge(queue: str) -> int:
    """Delete all dead letters of a queue; return their number. Raises BrokerAway."""
    with _channel(queue) as channel:
        try:
            number = int(channel.queue_purge(topology.dead_letter_queue(queue)).method.message_count)
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code != 404:
                raise
            return 0
    log.info("dead_letters_deleted", queue=queue, messages=number)
    return number


@contextmanager
def _channel(queue: str) -> Iterator[Any]:
    try:
        with connected() as connection:
            with answered(connection, "a channel"):
                channel = connection.channel()
                channel.confirm_delivery()
            yield channel
    except pika.exceptions.UnroutableError as error:
        raise BrokerAway(f"There is no queue {queue} in RabbitMQ to take it. Start a worker that serves it, then try again.") from error
    except (pika.exceptions.AMQPError, OSError) as error:
        raise BrokerAway(f"RabbitMQ did not answer ({type(error).__name__}). See ./run status, then try again.") from error


def _taken(channel: Any, queue: str) -> list[tuple[Any, Any, bytes]]:
    """Take all dead letters, oldest first. Raises TooMany, before it takes any."""
    letters = topology.dead_letter_queue(queue)
    try:
        there = channel.queue_declare(letters, passive=True).method.message_count
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code != 404:
            raise
        return []  # no message was ever dead-lettered
    if there > MOST:
        raise TooMany(
            f"{queue} has {there} dead letters: at most {MOST} can be looked into without changing their order. Requeue them, or delete all."
        )
    taken: list[tuple[Any, Any, bytes]] = []
    while len(taken) <= MOST and (got := channel.basic_get(letters))[0] is not None:
        taken.append(got)
    return taken


def _return(channel: Any, queue: str, taken: list[tuple[Any, Any, bytes]]) -> None:
    """Return each message by itself: of those returned together, RabbitMQ 3.10 may mix up the order."""
    is_worn = any((properties.headers or {}).get("x-delivery-count", 0) >= RENEWED_AFTER for _, properties, _ in taken)
    for method, properties, body in taken:
        if is_worn:
            headers = {name: value for name, value in (properties.headers or {}).items() if name not in _COUNTS}
            properties.headers, properties.delivery_mode = headers or None, 2
            channel.basic_publish("", topology.dead_letter_queue(queue), body, properties, mandatory=True)
            channel.basic_ack(method.delivery_tag)
        else:
            channel.basic_nack(method.delivery_tag, requeue=True)


def _with_one(queue: str, key: str, act: Callable[[Any, Any, bytes], None]) -> None:
    with _channel(queue) as channel:
        taken = _taken(channel, queue)
        wanted = next((each for each in taken if _key(each[1], each[2]) == key), None)
        if wanted is not None:
            act(channel, wanted[1], wanted[2])  # if it raises, the connection ends and RabbitMQ takes all of them back
            channel.basic_ack(wanted[0].delivery_tag)
        _return(channel, queue, [each for each in taken if each is not wanted])
    if wanted is None:
        raise UnknownLetter(f"There is no dead letter {key} in {queue} any more. Reload the list.", field="key")


def _key(properties: Any, body: bytes) -> str:
    """The key of a message in a URL, also without an id. Two of the same id differ by their contents."""
    return hashlib.sha256(f"{properties.message_id}\x1f".encode() + body).hexdigest()[:24]


def _letter(properties: Any, body: bytes) -> Letter:
    deaths = (properties.headers or {}).get("x-death") or [{}]
    died_at = deaths[0].get("time")
    reason = deaths[0].get("reason")
    text = body.decode("utf-8", "replace")[:LENGTH]
    try:
        message = json.loads(body)
        id, actor = str(message["message_id"]), str(message["actor_name"])
        args, kwargs = list(message["args"]), dict(message["kwargs"])
    except (ValueError, KeyError, TypeError):
        id, actor, args, kwargs = None, None, [], {}
    at = died_at.replace(tzinfo=UTC) if isinstance(died_at, datetime) else None
    return Letter(_key(properties, body), id, actor, args, kwargs, text, reason if isinstance(reason, str) else None, at)
