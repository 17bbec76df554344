"""Silent subscriptions: jobs of a queue wait and nothing is delivered. A second connection then replaces the first.

If a queue is deleted and at once declared again, RabbitMQ silently moves the subscription to the new one. It then
mistakes the first deliveries for repetitions and drops them. A queue whose leader hangs looks the same, but there the
old subscription recovers with the next leader, before a new one is answered.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from ...logs import get_logger
from ...settings import get_settings
from ...sql.outages import is_outage
from ..core import topology
from ..core.connections import answered
from .left_waiting import LeftWaiting
from .subscriptions import CONNECTION_ERRORS, close, connect, try_to_consume

log = get_logger(__name__)

#: seconds without a delivery after which a subscription is checked, at most
SILENT_S = 5.0


class Silence:
    """Watches the subscription of one consumer, on its thread."""

    def __init__(self, queue: str, left_waiting: LeftWaiting) -> None:
        self.since = 0.0  # when the last delivery arrived, or the subscription was made or checked
        self.successor: Successor | None = None
        self._queue = queue
        self._left_waiting = left_waiting

    def patience_s(self) -> float:
        """Return the seconds of silence that need no check."""
        # Sooner than the reconciler, which republishes and so makes every waiting job look fresh.
        return min(SILENT_S, get_settings().reconcile_after / 2)

    def check(self) -> None:
        """Prepare a second connection if jobs of the queue wait and the subscription has delivered nothing for long."""
        patience = self.patience_s()
        if time.monotonic() - self.since < patience:
            return
        self.since = time.monotonic()
        try:
            waiting = self._left_waiting.is_in(self._queue, patience)
        except Exception as error:
            if not is_outage(error):
                raise
            return
        if waiting:
            log.warning("subscription_silent", queue=self._queue)
            self.successor = Successor(self._queue)

    def replacement(self, successor: Successor, *, is_subscribed: bool) -> tuple[Any, Any] | None:
        """Return the connection and channel that replace the present ones; None: not yet, or no longer needed."""
        if self.since > successor.began or not is_subscribed:
            self.forget()  # the old subscription works again, or is not wanted at present
        elif successor.is_over:
            self.successor = None
            return successor.found
        return None

    def forget(self) -> None:
        """Close the second connection, if there is one."""
        successor, self.successor = self.successor, None
        if successor is not None:
            successor.forget()


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
