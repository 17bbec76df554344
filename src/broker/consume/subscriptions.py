"""Subscriptions of one Dramatiq queue to its queues in RabbitMQ, and the connections on which these are declared."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pika
import pika.exceptions

from ...logs import get_logger
from ..core import topology
from ..core.connections import answered, parameters
from ..core.refusals import Refusals
from .frame_reader import DeliveringConnection

log = get_logger(__name__)

#: messages of low priority that RabbitMQ may deliver ahead
UNHURRIED_PREFETCH = 2

CONNECTION_ERRORS = (pika.exceptions.AMQPError, AssertionError, OSError)


class Subscriptions:
    """A consumer's subscriptions on its present channel. A queue that refuses them is tried again with growing pauses."""

    def __init__(self, queue: str, on_delivery: Callable[..., None]) -> None:
        self.refusals = Refusals("consuming")
        self.tags: list[str] = []  # empty: standing aside
        self.prefetch = 0
        self.adapted = 0.0  # when the prefetch was set
        self._queue = queue
        self._queues = topology.queues_of(queue)
        self._on_delivery = on_delivery
        self._connection: Any = None
        self._channel: Any = None

    @property
    def is_refused(self) -> bool:
        """True if one of the queues refuses its subscription."""
        return any(queue in self.refusals for queue in self._queues)

    def use(self, connection: Any, channel: Any) -> None:
        """Subscribe on this channel from now on; the subscriptions of an earlier one ended with it."""
        self.tags = []
        self._connection, self._channel = connection, channel

    def begin(self, prefetch: int) -> None:
        """Subscribe to each queue that does not refuse it."""
        self.prefetch = prefetch
        self.adapted = time.monotonic()
        for queue in self._queues:
            if queue not in self.refusals or self._is_free(queue):
                self._subscribe_to(queue)

    def retry_refused(self) -> None:
        """Subscribe to the queues that refused it and are free now."""
        for queue in self._queues:
            if queue in self.refusals and self._is_free(queue):
                self._subscribe_to(queue)

    def end(self) -> None:
        """Stop the deliveries; those that have arrived are still unanswered."""
        with answered(self._connection, "end of a subscription"):
            for tag in self.tags:
                self._channel.basic_cancel(tag)
        self.tags = []

    def lost(self) -> None:
        """Forget the subscriptions of a connection that is lost."""
        self.tags = []
        self._connection = self._channel = None

    def _subscribe_to(self, queue: str) -> None:
        # Low-priority jobs are hardly prefetched: those delivered are claimed as soon as no job of higher priority has arrived.
        unhurried = queue == self._queue + topology.LOW
        try:
            with answered(self._connection, f"subscription to {queue}"):
                self._channel.basic_qos(prefetch_count=min(UNHURRIED_PREFETCH, self.prefetch) if unhurried else self.prefetch)
                self.tags.append(self._channel.basic_consume(queue, self._on_delivery))
        except pika.exceptions.ChannelClosedByBroker as error:
            self.refusals.note(queue, error.reply_text)
            raise
        self.refusals.over(queue)

    def _is_free(self, queue: str) -> bool:
        """True if a queue that refused this consumer is free now.

        Tested on another connection: a refusal closes the channel, which serves the other queues.
        """
        if self.refusals.waits(queue):
            return False
        try:
            connection = pika.BlockingConnection(parameters(f"worker {os.getpid()} {queue}"))
            with answered(connection, f"subscription to {queue}"):
                try_to_consume(connection, queue)
                connection.close()
        except pika.exceptions.ChannelClosedByBroker as error:
            self.refusals.note(queue, error.reply_text)
            return False
        except CONNECTION_ERRORS as error:
            self.refusals.note(queue, repr(error))
            return False
        return True


def connect(queue: str, refusals: Refusals | None) -> tuple[Any, Any]:
    """Open a connection and a channel, and declare the queues; one that exists with other arguments is used as it is."""
    connection = pika.BlockingConnection(parameters(f"worker {os.getpid()} {queue}"), _impl_class=DeliveringConnection)
    try:
        with answered(connection, f"declaration of {queue}"):
            channel = connection.channel()
            for name, arguments in topology.declarations(queue, topology.queues_of(queue)).items():
                try:
                    channel.queue_declare(name, durable=True, arguments=arguments)
                    if refusals is not None and name == topology.dead_letter_queue(queue):
                        refusals.over(name)  # the others count once they can be consumed
                except pika.exceptions.ChannelClosedByBroker as error:
                    _note_refusal(name, error, refusals)
                    channel = connection.channel()
    except CONNECTION_ERRORS:
        close(connection)
        raise
    return connection, channel


def _note_refusal(name: str, error: Any, refusals: Refusals | None) -> None:
    """Log why a queue cannot be declared. It may still exist, and be consumed."""
    if error.reply_code == 406:
        log.error(
            "queue_differs", queue=name, detail=error.reply_text, cure="delete the queue or rename it in the actor: see rabbitmq/README.md"
        )
    elif refusals is not None and not refusals.waits(name):
        refusals.note(name, error.reply_text)


def try_to_consume(connection: Any, queue: str) -> None:
    """Try a subscription and raise RabbitMQ's error; deliveries meanwhile return to the queue with the channel."""
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(queue, lambda *_: None)
    channel.close()


def close(connection: Any) -> None:
    """Close a connection that may be closed already."""
    try:
        if connection.is_open:
            with answered(connection, "close"):
                connection.close()
    except CONNECTION_ERRORS:
        pass  # already gone, as wanted
