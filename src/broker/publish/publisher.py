"""Publisher: takes committed envelopes, publishes them with publisher confirms, and has the confirmations recorded.

Handing over never blocks and never fails: an unconfirmed message stays an unpublished row, and the relay finds it. It
has one connection per process on pika's SelectConnection, so that thousands of confirms may be outstanding; a forked
child starts its own.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from functools import partial
from typing import Any

import pika
import pika.exceptions

from ...jobs.core.envelopes import Envelope
from ...logs import get_logger
from ..core import topology
from ..core.connections import LONGEST_PAUSE, parameters, pauses, problem
from ..core.log_throttle import LogThrottle
from ..core.refusals import EVERY, Refusals
from ..core.supervision import Progress, Supervised
from . import unconfirmed
from .confirmation_writer import ConfirmationWriter
from .declared import Declared
from .frame_writer import GuardedLoop, JoiningConnection, Outgoing
from .unconfirmed import Unconfirmed

log = get_logger(__name__)

#: messages published and not yet confirmed
WINDOW = 2000
#: messages sent in one system call
TOGETHER = 100
#: messages that the submitting thread publishes itself
FEW = 4
#: seconds between two publishes under load: otherwise each job would wake this thread, at the cost of its submitter
COLLECT_S = 0.003
#: envelopes buffered while the broker is away; beyond it the relay finds the rows
INBOX_LIMIT = 20_000
#: seconds between two checks that confirms still arrive
WATCH_CONFIRMS_S = 1.0
#: seconds until a channel is replaced after a returned message
RENEW_AFTER_S = 0.2


class Publisher:
    """One I/O thread with one connection. Only `hand_off`, `is_connected` and `close` may be called from other threads.

    Code that touches the connection or its state holds `_guard`: the callbacks of the I/O thread do.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.is_connected = False
        self.is_blocked = False
        self.blocked_for = ""  # the resource that RabbitMQ is low on, in its words
        self._is_away = False  # the last attempt to connect failed
        self.lost_because = ""  # why the last connection was lost, or could not be opened
        self._inbox: deque[Envelope] = deque()
        self._unconfirmed = Unconfirmed()
        self._declared = Declared()
        self._refusals = Refusals("publishing")
        self._has_confirmed = False  # RabbitMQ has confirmed something on this connection
        self._causes = LogThrottle()
        self._connection: Any = None
        self._channel: Any = None
        self._wake_pending = False
        self._published = 0.0  # when, by time.monotonic()
        self._closing = threading.Event()
        self._guard = threading.Lock()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._progress = Progress()
        self._confirmations = ConfirmationWriter()

    def hand_off(self, envelopes: list[Envelope]) -> None:
        """Accept envelopes whose rows are committed; returns at once."""
        room = INBOX_LIMIT - len(self._inbox)
        self._inbox.extend(envelopes[: max(room, 0)])
        if self._thread is None:
            self._start()
        if len(envelopes) > FEW or not self._publish_here():
            self._wake()

    def threads(self) -> list[Supervised]:
        """Return the threads that this process cannot do without, once an envelope was handed over."""
        return [] if self._thread is None else [Supervised("publisher", self._thread, self._progress), *self._confirmations.threads()]

    @property
    def trouble(self) -> str:
        """Return the reason why this connection accepts no messages: `alarm: low on memory`, `away`, or ""."""
        return f"alarm: {self.blocked_for}" if self.is_blocked else "away" if self._is_away else ""

    @property
    def has_unsent(self) -> bool:
        """True if envelopes have not been confirmed; a relay publishes those that a process leaves."""
        return bool(self._inbox or self._unconfirmed)

    def close(self, timeout: float = 5.0) -> None:
        """Wait at most `timeout` seconds for outstanding confirms, then end the thread.

        A short command may get here before its first connection is open, which is worth waiting for; a broker that is
        away is not.
        """
        if self._thread is None or self.pid != os.getpid():
            return
        deadline = time.monotonic() + timeout
        while (self._inbox or self._declared.is_waited_for or self._unconfirmed) and not self._is_away and time.monotonic() < deadline:
            time.sleep(0.01)
        self._closing.set()
        self._wake(close=True)
        self._thread.join(timeout=max(0.1, deadline - time.monotonic()))
        self._confirmations.close()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            thread, writer = threading.Thread(target=self._run, name="publisher", daemon=True), ConfirmationWriter()
            try:
                writer.start()
                self._confirmations = writer
                thread.start()
            except RuntimeError as error:  # no thread is available; the next job tries again, and a relay finds this one
                writer.close()
                log.warning("publisher_cannot_start", detail=str(error))
                return
            self._thread = thread

    def _wake(self, close: bool = False) -> None:
        connection = self._connection
        if connection is None or (self._wake_pending and not close):
            return
        self._wake_pending = True
        try:
            connection.ioloop.add_callback_threadsafe(self._shut if close else self._woken)
        except Exception:  # noqa: BLE001 - pika raises several kinds from a loop that has just ended
            self._wake_pending = False  # the thread reconnects and looks into the inbox itself

    def _publish_here(self) -> bool:
        """Publish the waiting envelopes from the calling thread unless that might block; False: the I/O thread has to.

        Otherwise a single job would wait for that thread to wake up, a tenth of its way to a worker.
        """
        # While the I/O thread is active it holds the guard; do not wait for it.
        if self._wake_pending or self._guard.locked() or time.monotonic() - self._published < COLLECT_S:
            return False
        with self._guard:
            connection, channel = self._connection, self._channel
            if channel is None or not channel.is_open or not 0 < len(self._inbox) <= FEW or not self._are_declared():
                return False
            try:
                self._publish_waiting(once=True)
                return not self._inbox and not connection.has_unsent
            except BaseException as error:
                # An interrupt in the middle of a frame: RabbitMQ would read the next one as the rest of it.
                connection.ioloop.add_callback_threadsafe(partial(self._give_up, connection, "a message was cut off"))
                if not isinstance(error, Exception):
                    raise
                log.exception("publish_failed")
                return True

    def _are_declared(self) -> bool:
        return all(topology.queue_of(one.queue, one.priority) in self._declared for one in self._inbox)

    # Everything below runs on the I/O thread, but for what `_publish_here` calls with the guard held.

    def _give_up(self, connection: Any, why: str) -> None:
        """Replace the connection; messages unconfirmed on this one are published again."""
        if connection is self._connection:
            # Without a close, which the other side may be unable to answer, or would read as the rest of a message that was cut off.
            log.warning("publisher_connection_given_up", detail=why)
            connection.ioloop.hang_up()

    def _run(self) -> None:
        waits = pauses()
        while not self._closing.is_set():
            try:
                if self._try_hosts():
                    waits = pauses()
            except Exception:
                # This thread must outlive everything but its process: no other thread publishes these envelopes.
                log.exception("publisher_failed")
            self._closing.wait(next(waits))

    def _try_hosts(self) -> bool:
        """Connect to each host in turn, and serve each connection until it is lost; True: one worked."""
        was_of_use = False
        for one in parameters(f"publisher {self.pid}"):
            self._progress.step()
            self._has_confirmed, began = False, time.monotonic()
            self._connection = JoiningConnection(
                one,
                on_open_callback=self._on_open,
                on_open_error_callback=self._on_lost,
                on_close_callback=self._on_lost,
                custom_ioloop=GuardedLoop(self._guard),
            )
            self._run_loop()
            if self.is_connected and (self._has_confirmed or time.monotonic() - began > LONGEST_PAUSE):
                was_of_use, self._causes = True, LogThrottle()
            self._is_away = not self.is_connected
            with self._guard:
                self._forget_connection()
            if self._closing.is_set():
                break
        return was_of_use

    def _run_loop(self) -> None:
        """Serve the connection until it is closed; an unforeseen error closes it, and the next one starts afresh."""
        try:
            self._connection.ioloop.start()
        except Exception:
            log.exception("publisher_failed")
            try:
                with self._guard:
                    self._channel = None
                    self._shut()
                self._connection.ioloop.start()
            except Exception:
                log.exception("publisher_close_failed")

    def _on_open(self, connection: Any) -> None:
        connection.add_on_connection_blocked_callback(lambda _, frame: self._set_blocked(True, str(frame.method.reason)))
        connection.add_on_connection_unblocked_callback(lambda *_: self._set_blocked(False))
        connection.ioloop.call_later(WATCH_CONFIRMS_S, self._watch_confirms)
        self._open_channel()

    def _watch_confirms(self) -> None:
        """Close a connection on which confirms no longer arrive; its messages are published again on the next one."""
        self._progress.step()
        # A broker that blocks publishers announces it, and confirms nothing until it unblocks them.
        if self._unconfirmed.is_overdue() and not self.is_blocked:
            log.warning("publisher_unconfirmed", messages=len(self._unconfirmed), seconds=unconfirmed.CONFIRM_WITHIN_S)
            self._give_up(self._connection, "no publisher confirms")
            return
        self._connection.ioloop.call_later(WATCH_CONFIRMS_S, self._watch_confirms)

    def _open_channel(self) -> None:
        if self._connection is not None and self._connection.is_open:
            self._connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Any) -> None:
        self._channel = channel
        self._unconfirmed.restart()
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm)
        self.is_connected = True
        self._is_away = False
        self._publish_waiting()

    def _on_channel_closed(self, _channel: Any, reason: Exception) -> None:
        self._channel = None
        declaring = self._declared.declaring
        self._put_back()
        if self._closing.is_set() or not self._connection.is_open:
            return
        if isinstance(reason, pika.exceptions.ChannelClosedByClient):
            # Not at once: the consumers of the deleted queue must notice before a new one exists.
            pause = RENEW_AFTER_S
        elif declaring is not None:
            # It may still exist, as a queue that we may not declare: RabbitMQ returns messages that find no queue.
            self._declared.keep_as_is(declaring)
            pause = 0.0
            if getattr(reason, "reply_code", None) == 406:
                log.error(
                    "queue_differs",
                    queue=declaring,
                    detail=str(reason),
                    cure="delete the queue or rename it in the actor: see rabbitmq/README.md",
                )
            else:
                self._refusals.note(declaring, _words(reason))
        else:
            pause = self._refusals.note(EVERY, _words(reason))
        self._connection.ioloop.call_later(pause, self._open_channel)

    def _on_lost(self, connection: Any, reason: Any) -> None:
        self.lost_because = detail = problem(reason, connection.params)
        if not self._closing.is_set() and (times := self._causes.count(detail)):
            log.warning("publisher_connection_lost", detail=detail, times=times)
        connection.ioloop.stop()

    def _forget_connection(self) -> None:
        self.is_connected = self.is_blocked = False
        connection, self._connection, self._channel = self._connection, None, None
        connection.ioloop.close()  # each has a poll descriptor and two sockets, and a broker may be away for days
        self._wake_pending = False
        self._put_back()

    def _put_back(self) -> None:
        """Keep unconfirmed messages, in order, for the next channel: a message that arrives twice starts no second attempt."""
        self._inbox.extendleft(reversed([*self._unconfirmed.take_back(), *self._declared.restart()]))

    def _set_blocked(self, blocked: bool, why: str = "") -> None:
        self.blocked_for, self.is_blocked = why, blocked
        log.warning("broker_blocked" if blocked else "broker_unblocked", **({"detail": why} if blocked else {}))

    def _woken(self) -> None:
        pause = self._published + COLLECT_S - time.monotonic()
        if pause > 0:
            self._connection.ioloop.call_later(pause, self._publish_waiting)  # until then handing over does not wake this thread
        else:
            self._publish_waiting()

    def _publish_waiting(self, *, once: bool = False) -> None:
        self._wake_pending = False
        self._published = time.monotonic()
        while self._channel is not None and self._channel.is_open and self._inbox and len(self._unconfirmed) < WINDOW:
            ready: list[Outgoing] = []
            while self._inbox and len(ready) < TOGETHER:
                envelope = self._inbox.popleft()
                route = topology.queue_of(envelope.queue, envelope.priority)
                if route in self._declared:
                    ready.append(Outgoing(route, envelope.body, envelope.id, envelope.actor, envelope.priority))
                    self._unconfirmed.add(envelope)
                elif not self._refusals.waits(route):
                    self._declared.wait(route, envelope)
                # else it stays an unpublished row: the relay takes it again, and other queues need not wait for it
            if ready:
                self._connection.publish(self._channel, ready)
            self._declare_next()
            if once:  # the calling thread does not publish envelopes that others have handed over meanwhile
                return

    def _declare_next(self) -> None:
        if self._channel is None:
            return
        wanted, ready = self._declared.begin()
        self._inbox.extendleft(reversed(ready))
        if wanted is not None:
            name, arguments = wanted
            self._channel.queue_declare(name, durable=True, arguments=arguments, callback=self._on_declared)

    def _on_declared(self, _frame: Any) -> None:
        if self._declared.declaring is not None:
            self._refusals.over(self._declared.declaring)
        self._declared.end()
        self._declare_next()
        self._publish_waiting()

    def _on_return(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        # The queue is gone. The confirm that follows must not count, and the queue is declared again before the next attempt. That needs
        # another channel: on the old one RabbitMQ would continue the message numbers of the deleted queue.
        self._unconfirmed.note_return(properties.message_id)
        self._declared.forget(method.routing_key)
        if self._channel is not None and self._channel.is_open:
            self._channel.close()

    def _on_confirm(self, frame: Any) -> None:
        answered = self._unconfirmed.answer(frame.method)
        if answered.confirmed:
            self._has_confirmed = True
            if EVERY in self._refusals:
                self._refusals.over(EVERY)
        self._inbox.extend(answered.returned)
        self._confirmations.put(answered.confirmed)
        if self._inbox and not self._wake_pending:
            self._publish_waiting()

    def _shut(self) -> None:
        connection = self._connection
        if connection is None:
            return
        if connection.is_closing or connection.is_closed:
            connection.ioloop.stop()
        elif connection.is_open or connection.is_without_socket:
            connection.close()
        else:  # pika fails on a close during its handshake, and to stop the loop alone would leave the socket open
            connection.ioloop.hang_up()


def _words(reason: Exception) -> str:
    """Return RabbitMQ's own reason for closing a channel."""
    return str(getattr(reason, "reply_text", "") or reason)


_publisher: Publisher | None = None
_lock = threading.Lock()


def get_publisher() -> Publisher:
    """Return this process's publisher; its thread starts with the first envelope."""
    global _publisher
    with _lock:
        if _publisher is None or _publisher.pid != os.getpid():
            _publisher = Publisher()
        return _publisher


def hand_off(envelopes: list[Envelope]) -> None:
    """Pass committed envelopes to this process's publisher."""
    get_publisher().hand_off(envelopes)


def trouble() -> str:
    """Return why this process's publisher accepts no messages; "" if it does or has not published yet."""
    return "" if _publisher is None or _publisher.pid != os.getpid() else _publisher.trouble


def _forget_parents() -> None:
    """Drop the parent's connection in a forked child, which must neither use nor close it."""
    global _publisher, _lock
    _lock = threading.Lock()
    _publisher = None


os.register_at_fork(after_in_child=_forget_parents)
