"""Subscriptions of one Dramatiq queue: a connection with its queues declared, and a second one while the first delivers nothing."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Any

import pika
import pika.exceptions

from ...logs import get_logger
from ..core import topology
from ..core.connections import answered, parameters
from ..core.refusals import Refusals
from .frame_reader import DeliveringConnection

log = get_logger(__name__)

CONNECTION_ERRORS = (pika.exceptions.AMQPError, AssertionError, OSError)


class Successor:
    """A second connection for a queue, opened and tested on a thread of its own, because RabbitMQ may be slow to answer."""

    def __init__(self, queue: str) -> None:
        self.began = time.monotonic()
        self.found: tuple[Any, Any] | None = None  # a connection and a channel on which RabbitMQ has answered
        self._queue = queue
        self._lock = threading.Lock()
        self._is_forgotten = False
        self._thread = threading.Thread(target=self._run, name="successor", daemon=True)
        with suppress(RuntimeError):  # no thread is available: it counts as finished without a connection
            self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def forget(self) -> None:
        """Close the connection, now or as soon as it exists."""
        with self._lock:
            self._is_forgotten = True
        if self.found is not None:
            close(self.found[0])

    def _run(self) -> None:
        connection = None
        try:
            connection, channel = connect(self._queue, None)
            with answered(connection, f"subscription to {self._queue}"):
                for queue in topology.queues_of(self._queue):
                    try_to_consume(connection, queue)
        except CONNECTION_ERRORS as error:
            log.warning("no_other_subscription", queue=self._queue, detail=repr(error))
            if connection is not None:
                close(connection)
            return
        with self._lock:
            if not self._is_forgotten:
                self.found = connection, channel
                return
        close(connection)


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
