"""Dead letters: messages that RabbitMQ has moved to QUEUE.XQ, and their return to the original queue.

A message gets there if it was delivered too often (mostly to workers that died of it) or rejected. A job's record is in
SQL: it has been published again since, and a second copy starts nothing. So requeueing a dead letter never runs a job
twice; it matters for messages of other producers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pika
import pika.exceptions

from ...jobs.options.job_options import NORMAL_PRIORITY
from ...logs import get_logger
from ..consume.frame_reader import DeliveringConnection
from ..core import topology
from ..core.connections import answered, parameters

log = get_logger(__name__)

#: dead letters requeued at once
MOST = 1000
#: headers in which RabbitMQ records a message's history: requeued with them it would be dropped as a cycle
_PAST = ("x-death", "x-first-death", "x-last-death", "x-delivery-count", "x-acquired-count")


class BrokerAway(Exception):
    """RabbitMQ cannot be reached; the message gives the reason and the cure."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """Numbers of dead letters: requeued, and left."""

    moved: int
    left: int


def requeue(queue: str, *, limit: int = MOST) -> Requeued:
    """Requeue up to `limit` dead letters of a Dramatiq queue, oldest first; each is removed once RabbitMQ has confirmed its copy.

    Raises BrokerAway if RabbitMQ does not answer or does not accept one; all others remain dead letters.
    """
    try:
        with connected() as connection:
            return _requeue(connection, queue, limit)
    except pika.exceptions.UnroutableError as error:
        raise BrokerAway(f"There is no queue {queue} in RabbitMQ to take them. Start a worker that serves it, then try again.") from error
    except (pika.exceptions.AMQPError, OSError) as error:
        raise BrokerAway(f"RabbitMQ did not take them ({type(error).__name__}). See ./run status, then try again.") from error


def connected() -> Any:
    error: Exception = OSError("no broker is configured")
    for one in parameters("dead letters"):
        try:
            return pika.BlockingConnection(one, _impl_class=DeliveringConnection)  # reads past headers that pika cannot decode
        except (pika.exceptions.AMQPError, OSError) as refused:
            error = refused
    raise error


def _requeue(connection: Any, queue: str, limit: int) -> Requeued:
    letters = topology.dead_letter_queue(queue)
    with answered(connection, "a channel"):
        channel = connection.channel()
        channel.confirm_delivery()
    try:
        with answered(connection, f"state of {letters}"):
            there = channel.queue_declare(letters, passive=True).method.message_count
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code != 404:
            raise
        return Requeued(0, 0)  # no message was ever dead-lettered
    moved = 0
    while moved < min(there, limit):
        with answered(connection, f"a dead letter of {letters}"):
            method, properties, body = channel.basic_get(letters)
            if method is None:
                break
            channel.basic_publish("", origin(queue, properties), body, fresh(properties), mandatory=True)
            channel.basic_ack(method.delivery_tag)
        moved += 1
    log.info("dead_letters_given_back", queue=queue, messages=moved)
    return Requeued(moved, there - moved)


def origin(queue: str, properties: Any) -> str:
    said = (properties.headers or {}).get("x-first-death-queue")
    if said in topology.queues_of(queue):
        return str(said)
    return topology.queue_of(queue, NORMAL_PRIORITY if properties.priority is None else properties.priority)


def fresh(properties: Any) -> Any:
    """The message's own properties, without its history and an expired time to live."""
    properties.headers = {name: value for name, value in (properties.headers or {}).items() if not name.startswith(_PAST)} or None
    properties.expiration = None
    properties.delivery_mode = 2
    return properties
