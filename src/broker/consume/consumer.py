"""The consumer of one queue: drains RabbitMQ's deliveries, claims them in one statement, hands them to the threads.

It keeps its own connection and reconnects by itself. It replaces a subscription that delivers nothing only after
RabbitMQ has answered a new one. Delivery tags belong to one generation of the channel, so a job that outlives a
connection never acknowledges a message of the next one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pika
import pika.exceptions
from dramatiq.broker import Consumer, MessageProxy

from ...jobs.options.job_options import NORMAL_PRIORITY
from ...logs import get_logger
from ...sql.outages import is_outage, log_outage
from ..core.connections import LONGEST_PAUSE, answered, parameters, pauses, refusal
from ..core.lease import Lease
from ..core.load import Load
from ..core.log_throttle import LogThrottle
from ..core.supervision import Progress
from .claimer import Claimer
from .deliveries import TOGETHER_S, Acknowledger, Arrival, Arrivals, Delivery
from .frame_reader import Whole, take_past_pika
from .left_waiting import LeftWaiting
from .silence import Silence
from .subscriptions import CONNECTION_ERRORS, Subscriptions, close, connect
from .work_queue import WorkQueue

log = get_logger(__name__)

#: messages RabbitMQ may deliver ahead while jobs are short
DEEP_PREFETCH = 1_000
#: seconds that a delivery may wait for room until this process stands aside for others
STAND_ASIDE_S = 1.0
#: seconds until the prefetch is reduced again; it is increased at once when jobs are known to be short
ADAPT_S = 1.0
#: seconds that closing waits for the consumer's own thread to leave pika
CLOSE_WITHIN_S = 5.0


class QueueConsumer(Consumer):
    """Iterated by Dramatiq's ConsumerThread; `settled`, `requeue` and `wake` may be called from any thread.

    `hand_back` queues claimed jobs again; `flush` waits until every known end is committed.
    """

    def __init__(
        self,
        queue: str,
        timeout_s: float,
        *,
        claimer: Claimer,
        lease: Lease,
        load: Load,
        work_queue: WorkQueue,
        hand_back: Callable[[Sequence[Delivery]], None],
        flush: Callable[[], None],
        left_waiting: LeftWaiting,
    ) -> None:
        self.queue = queue
        self.progress = Progress()
        self._timeout_s = timeout_s
        self._claimer = claimer
        self._lease = lease
        self._load = load
        self._work_queue = work_queue
        self._hand_back = hand_back
        self._flush = flush
        self._arrived = Arrivals()
        self._settled: deque[Arrival] = deque()
        self._generation = 0
        self._connection: Any = None
        self._channel: Any = None
        self._subscriptions = Subscriptions(queue, self._on_delivery)
        self._silence = Silence(queue, left_waiting)
        self._waiting_since: float | None = None
        self._acknowledger = Acknowledger()
        self._pauses = pauses()
        self._retry_at = 0.0
        self._connected_at = 0.0
        self._causes = LogThrottle()
        self._wake_pending = False
        self._is_cancelled = False
        # Dramatiq closes from its main thread, even if this consumer's thread has not ended in time: pika is not thread-safe.
        self._in_pika = threading.Lock()

    @property
    def is_subscribed(self) -> bool:
        """True if RabbitMQ delivers the queue's messages to this process."""
        return bool(self._subscriptions.tags)

    def __next__(self) -> MessageProxy | None:
        """Poll once for deliveries. Claimed jobs go to the threads at once and together, not one by one through Dramatiq."""
        self.progress.step()
        with self._in_pika:
            try:
                if self._connection is None:
                    self._connect()
                self._pump()
                self._claim()
                self._check_subscription()
            except CONNECTION_ERRORS as error:
                self._lost(error)
        return None

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    def settled(self, arrivals: Sequence[Arrival]) -> None:
        """Acknowledge these after their ends are committed; RabbitMQ redelivers those of an earlier connection itself."""
        self._settled.extend(arrivals)
        self.wake()

    def wake(self) -> None:
        """Wake the thread that waits for deliveries, so that it checks everything else."""
        connection = self._connection
        if connection is None or self._wake_pending:
            return
        self._wake_pending = True
        try:
            connection.add_callback_threadsafe(self._woken)
        except CONNECTION_ERRORS:
            self._wake_pending = False  # it has just closed; the thread notices and reconnects

    def ack(self, message: MessageProxy) -> None:
        """Ignore Dramatiq's ack at the end of a message; the committer acknowledges after the commit, by `settled`."""

    nack = ack

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Hand back claimed jobs that no thread has started: no attempt is spent."""
        deliveries = [message for message in messages if isinstance(message, Delivery)]
        self._hand_back(deliveries)

    def close(self) -> None:
        """Acknowledge settled deliveries and close; everything unanswered returns to the queue."""
        self._flush()
        self._load.forget(id(self))
        if not self._in_pika.acquire(timeout=CLOSE_WITHIN_S):
            return  # its own thread has not left pika; the process ends, and the connection with it
        self._silence.forget()
        try:
            if self._connection is not None:
                self._give_up_connection()
        finally:
            self._connection = self._channel = None
            self._in_pika.release()

    # Everything below runs on the consumer's own thread.

    def _connect(self) -> None:
        pause = self._retry_at - time.monotonic()
        if pause > 0:
            time.sleep(min(pause, self._timeout_s))
            if time.monotonic() < self._retry_at:
                return
        try:
            connection, channel = connect(self.queue, self._subscriptions.refusals)
        except CONNECTION_ERRORS as error:
            self._retry_at = time.monotonic() + next(self._pauses)
            detail = refusal(error, parameters("")[0]) or repr(error)
            if times := self._causes.count(detail):
                log.warning("consumer_cannot_connect", queue=self.queue, detail=detail, times=times)
            return
        self._use(connection, channel)

    def _use(self, connection: Any, channel: Any) -> None:
        """Subscribe on an open connection, replacing an earlier one."""
        self._generation += 1
        self._acknowledger = Acknowledger()
        self._arrived.clear()
        self._wake_pending = False
        self._connection, self._channel = connection, channel
        self._connected_at = time.monotonic()
        self._is_cancelled = False
        self._subscriptions.use(connection, channel)
        self._channel.add_on_cancel_callback(self._on_cancel)
        take_past_pika(connection, self._channel, self._on_deliveries)
        self._subscribe()
        log.info("consumer_connected", queue=self.queue)

    def _subscribe(self) -> None:
        self._load.wake_on_change(id(self), self.wake)
        self._waiting_since = None
        self._silence.since = time.monotonic()
        self._subscriptions.begin(DEEP_PREFETCH if self._load.is_short else self._load.threads)

    def _on_delivery(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self._silence.since = time.monotonic()
        priority = properties.priority if properties.priority is not None else NORMAL_PRIORITY
        self._acknowledger.delivered(method.delivery_tag)
        self._arrived.put(Arrival(self._generation, method.delivery_tag, method.redelivered, body, priority, properties))

    def _on_deliveries(self, found: list[Whole]) -> None:
        self._silence.since = time.monotonic()
        for one in found:
            self._acknowledger.delivered(one.delivery_tag)
            priority = one.priority if one.priority is not None else NORMAL_PRIORITY
            properties = one.properties if one.header else None
            self._arrived.put(Arrival(self._generation, one.delivery_tag, one.redelivered, one.body, priority, properties))

    def _on_cancel(self, _frame: Any) -> None:
        self._is_cancelled = True

    def _woken(self) -> None:
        self._wake_pending = False

    def _pump(self) -> None:
        if self._connection is None:
            return
        self._acknowledge()
        self._adapt()
        wait = 0.0 if self._arrived and self._waiting_since is None else self._idle_s()
        if self._acknowledger.is_waiting or self._waiting_since is not None:
            wait = min(wait, TOGETHER_S)
        self.progress.waits(wait)
        self._connection.process_data_events(time_limit=wait)
        self.progress.step()
        if self._is_cancelled:
            # The queue was deleted: RabbitMQ only ends the subscription. Reconnecting declares the queue again.
            raise pika.exceptions.ConsumerCancelled

    def _idle_s(self) -> float:
        """Return how long to sleep if nothing arrives: a pause, a stop, a settled delivery and room for a refused one wake this thread."""
        is_calm = self._subscriptions.tags and self._silence.successor is None and self._load.takes and self._lease.may_claim
        if not is_calm or self._subscriptions.is_refused:
            return self._timeout_s
        return max(self._timeout_s, self._silence.since + self._silence.patience_s() - time.monotonic())

    def _check_subscription(self) -> None:
        if self._silence.successor is not None:
            found = self._silence.replacement(self._silence.successor, is_subscribed=self.is_subscribed)
            if found is not None:
                self._give_up_connection()
                self._use(*found)
            return
        # With every thread busy no delivery is expected: RabbitMQ sends no more than the prefetch until an end is acknowledged.
        busy = self._load.in_flight >= self._load.threads
        # Jobs of a refused queue wait for another reason, but look the same here.
        if not busy and self._subscriptions.tags and not self._subscriptions.is_refused:
            self._silence.check()

    def _give_up_connection(self) -> None:
        """Acknowledge settled deliveries and close; everything unanswered returns to the queue."""
        try:
            with answered(self._connection, "close"):
                self._acknowledge(everything=True)
                self._connection.close()
        except CONNECTION_ERRORS:
            pass  # an unacknowledged message is redelivered, and its job is found done

    def _acknowledge(self, *, everything: bool = False) -> None:
        while self._settled:
            arrival = self._settled.popleft()
            if arrival.generation == self._generation:
                self._acknowledger.settle(arrival.tag)
        # Behind a deep prefetch, half of it is enough for RabbitMQ to send the next deliveries in time.
        prefetch = self._subscriptions.prefetch
        few = prefetch // 2 if prefetch == DEEP_PREFETCH else 0
        self._acknowledger.acknowledge(self._channel, everything=everything, few=few)

    def _adapt(self) -> None:
        """Adapt the prefetch to the length of jobs, and stand aside while every thread is busy with long ones."""
        load, subscriptions = self._load, self._subscriptions
        if not subscriptions.tags:
            if load.takes and load.in_flight < load.threads and self._lease.may_claim:
                self._subscribe()
            return
        waited = self._waiting_since is not None and time.monotonic() - self._waiting_since > STAND_ASIDE_S
        if not load.takes or waited or not self._lease.may_claim:
            self._stand_aside()
            return
        subscriptions.retry_refused()
        wanted = DEEP_PREFETCH if load.is_short else load.threads
        # Increase it at once: otherwise a process that has just started would spend its first second on eight jobs at a time.
        prefetch = subscriptions.prefetch
        if wanted > prefetch or (wanted < prefetch and time.monotonic() - subscriptions.adapted > ADAPT_S):
            subscriptions.end()
            self._subscribe()

    def _stand_aside(self) -> None:
        """Stop consuming and return unclaimed deliveries, so that a free process gets them at once."""
        self._subscriptions.end()
        self._waiting_since = None
        self._give_back(self._arrived.clear())
        self._load.wake_when_hungry(id(self), self.wake)

    def _give_back(self, arrivals: Iterable[Arrival]) -> None:
        for arrival in arrivals:
            self._channel.basic_nack(arrival.tag, requeue=True)
            self._acknowledger.gave_back(arrival.tag)

    def _claim(self) -> None:
        if not self._arrived or self._connection is None:
            return
        granted = self._load.reserve(len(self._arrived))
        if not granted:
            self._waiting_since = self._waiting_since or time.monotonic()
            self._load.wake_when_hungry(id(self), self.wake)
            return
        self._waiting_since = None
        arrivals = self._arrived.take(granted)
        try:
            taken = self._claimer.take(arrivals)
        except Exception as error:
            for arrival in arrivals:
                self._arrived.put(arrival)
            self._load.release(granted)
            if not is_outage(error):
                raise
            log_outage(log, "claim_waits_for_sql", error, queue=self.queue)
            self._connection.sleep(next(self._pauses))
            return
        self._pauses = pauses()
        self._lease.held.update({(claimed.seq, claimed.attempt): claimed.id for claimed, _ in taken.claimed})
        actors = self._claimer.actors
        self._work_queue.put_many(
            [(actors[claimed.actor].priority, Delivery(claimed, arrival, self)) for claimed, arrival in taken.claimed]
        )
        time.sleep(0)  # gives way to the thread that was woken: it would wait for the interpreter until this one polls
        self._load.release(granted - len(taken.claimed))
        self._settled.extend(taken.done_with)
        if taken.refused:
            log.warning("claims_refused", queue=self.queue, jobs=len(taken.refused))
            self._give_back(taken.refused)
            self._lease.suspend()

    def _lost(self, error: BaseException) -> None:
        if time.monotonic() - self._connected_at > LONGEST_PAUSE:
            self._pauses, self._causes = pauses(), LogThrottle()  # the connection worked, so the next failure is a new one
        if times := self._causes.count(repr(error)):
            log.warning("consumer_connection_lost", queue=self.queue, detail=repr(error), times=times)
        self._silence.forget()
        self._subscriptions.lost()
        self._arrived.clear()
        self._waiting_since = None
        connection, self._connection, self._channel = self._connection, None, None
        self._retry_at = time.monotonic() + next(self._pauses)
        if connection is not None:
            close(connection)
