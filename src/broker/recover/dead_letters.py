"""Dead letters: messages that RabbitMQ has moved to QUEUE.XQ, and their return to the original queue.

A message gets there if it was delivered too often (mostly to workers that died of it) or rejected. A job's record is in
SQL: it has been published again since, and a second copy starts nothing. So requeueing a dead letter never runs a job
twice; it matters for messages of other producers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import pika
import pika.exceptions

from ... import COMMAND
from ...jobs.options.job_options import NORMAL_PRIORITY
from ...logs import get_logger
from ..consume.frame_reader import DeliveringConnection
from ..core import topology
from ..core.connections import answered, parameters

log = get_logger(__name__)

#: dead letters requeued at once
MOST = 1000
#: dead letters looked at for them, if some may not be requeued
MOST_LOOKED_AT = 10 * MOST
#: deliveries after which a message is replaced by a copy; RabbitMQ 4 drops it after 20
RENEWED_AFTER = 15
#: seconds to wait until another process has finished with the dead letters of a queue, and between two attempts
WAIT_S, AGAIN_S = 5.0, 0.1
#: headers in which RabbitMQ counts deliveries
_COUNTS = ("x-delivery-count", "x-acquired-count")
#: headers in which RabbitMQ records a message's history: requeued with them it would be dropped as a cycle
_PAST = ("x-death", "x-first-death", "x-last-death", *_COUNTS)
#: headers that make RabbitMQ send copies to other queues, too
_COPIES = ("CC", "BCC")


class BrokerAway(Exception):
    """RabbitMQ cannot be reached; the message gives the reason and the cure."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """Numbers of dead letters: requeued, and left."""

    moved: int
    left: int


def requeue(queue: str, *, limit: int = MOST, takes: Callable[[bytes], bool] = lambda body: True) -> Requeued:
    """Requeue up to `limit` dead letters of a Dramatiq queue, oldest first; each is removed once RabbitMQ has confirmed its copy.

    Those whose body `takes` does not accept stay. Raises BrokerAway if RabbitMQ does not answer or does not accept one; all others remain dead letters.
    """
    with opened(queue) as channel:
        return _requeue(channel, queue, limit, takes)


@contextmanager
def opened(queue: str) -> Iterator[Any]:
    """Open a channel that no other process shares the queue's dead letters with. Raises BrokerAway, also for errors of the block."""
    try:
        with connected() as connection:
            _lock(connection, queue)
            with answered(connection, "a channel"):
                channel = connection.channel()
                channel.confirm_delivery()
            yield channel
    except pika.exceptions.UnroutableError as error:
        raise BrokerAway(f"There is no queue {queue} in RabbitMQ to take them. Start a worker that serves it, then try again.") from error
    except (pika.exceptions.AMQPError, OSError) as error:
        raise BrokerAway(f"RabbitMQ did not answer ({type(error).__name__}). See {COMMAND} status, then try again.") from error


def connected() -> Any:
    error: Exception = OSError("no broker is configured")
    for one in parameters("dead letters"):
        try:
            return pika.BlockingConnection(one, _impl_class=DeliveringConnection)  # reads past headers that pika cannot decode
        except (pika.exceptions.AMQPError, OSError) as refused:
            error = refused
    raise error


def _lock(connection: Any, queue: str) -> None:
    """Wait until no other process has taken dead letters of the queue: it would see fewer than there are, or none.

    The lock is an exclusive queue, which ends with the connection. Raises BrokerAway.
    """
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            with answered(connection, "a lock"):
                connection.channel().queue_declare(f"{topology.dead_letter_queue(queue)}.look", exclusive=True)
            return
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code == 403:  # a user who may not declare such a queue works without the lock
                return
            if error.reply_code != 405:  # held by another connection
                raise
        if time.monotonic() > deadline:
            raise BrokerAway(f"Someone else is looking into the dead letters of {queue}. Try again in some seconds.")
        connection.sleep(AGAIN_S)


def _requeue(channel: Any, queue: str, limit: int, takes: Callable[[bytes], bool]) -> Requeued:
    letters = topology.dead_letter_queue(queue)
    there = waiting(channel, letters)
    moved = 0
    for _ in range(min(there, MOST_LOOKED_AT)):
        if moved == limit:
            break
        with answered(channel.connection, f"a dead letter of {letters}"):
            method, properties, body = channel.basic_get(letters)
            if method is None:
                break
            if not takes(body):
                give_back(channel, letters, method, properties, body, as_copy=True)  # at the end: not before those that may move
                continue
            try:
                channel.basic_publish("", origin(queue, properties), body, fresh(properties), mandatory=True)
            except pika.exceptions.UnroutableError:
                give_back(channel, letters, method, properties, body)
                raise
            channel.basic_ack(method.delivery_tag)
        moved += 1
    log.info("dead_letters_given_back", queue=queue, messages=moved)
    return Requeued(moved, there - moved)


def waiting(channel: Any, letters: str) -> int:
    """Count the messages of a dead-letter queue; 0 if none was ever dead-lettered."""
    try:
        with answered(channel.connection, f"state of {letters}"):
            return int(channel.queue_declare(letters, passive=True).method.message_count)
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code != 404:
            raise
        return 0


def is_worn(properties: Any) -> bool:
    """True if the message was returned so often that RabbitMQ 4 would soon drop it."""
    count = (properties.headers or {}).get("x-delivery-count")
    return isinstance(count, int) and count >= RENEWED_AFTER  # another program may have put anything there


def give_back(channel: Any, letters: str, method: Any, properties: Any, body: bytes, *, as_copy: bool | None = None) -> None:
    """Return a message to the dead-letter queue, as a copy at its end if it is worn."""
    if is_worn(properties) if as_copy is None else as_copy:
        channel.basic_publish("", letters, body, _sendable(properties, _COUNTS), mandatory=True)
        channel.basic_ack(method.delivery_tag)
    else:
        channel.basic_nack(method.delivery_tag, requeue=True)


def origin(queue: str, properties: Any) -> str:
    """The queue that a dead letter came from."""
    said = (properties.headers or {}).get("x-first-death-queue")
    if said in topology.queues_of(queue):
        return str(said)
    return topology.queue_of(queue, NORMAL_PRIORITY if properties.priority is None else properties.priority)


def fresh(properties: Any) -> Any:
    """The message's own properties, without its history and an expired time to live."""
    sent = _sendable(properties, _PAST)
    sent.expiration = None
    return sent


def _sendable(properties: Any, left_out: tuple[str, ...]) -> Any:
    """A copy of the properties for a persistent message. RabbitMQ would refuse the `user_id` of another sender."""
    sent = copy(properties)
    sent.headers = {
        name: value for name, value in (properties.headers or {}).items() if not name.startswith(left_out) and name not in _COPIES
    } or None
    sent.user_id, sent.delivery_mode = None, 2
    return sent
