"""The committer thread: commits the ends of finished attempts, many at a time, and acknowledges only then.

Group commit: while one commit runs, the next batch is collected. Under load a pause of some milliseconds lets a batch
grow; a single finished job is committed at once.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from ...jobs.core.states import Outcome, State
from ...jobs.finish.settle import Finished, is_one_statement, settle, settle_alone
from ...jobs.leases import claims, workers
from ...jobs.webhooks import events
from ...logs import get_logger
from ...sql.database import get_database, write
from ...sql.outages import is_outage, log_outage
from ...telemetry import metering
from ..consume.deliveries import Delivery
from ..core.connections import pauses
from ..core.lease import Lease
from ..core.supervision import Progress, Supervised

log = get_logger(__name__)

#: ends written in one commit at most
BATCH_LIMIT = 500
#: seconds to collect a batch after one of a few ends
COLLECT_S = 0.002
#: Ends from which a batch counts as large, and seconds to collect the next one then. A commit of twenty ends costs SQL twice as much
#: per end as one of a hundred, and so does their acknowledgement in RabbitMQ.
MANY = 16
COLLECT_MANY_S = 0.01

Record = tuple[Finished | None, Delivery]


class Committer:
    """Queue from finished attempts to commits and acknowledgements. `put` may be called from any thread."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._queue: queue.SimpleQueue[Record | threading.Event] = queue.SimpleQueue()
        self._batch: list[Record] = []  # taken from the queue, and not yet committed and acknowledged
        self._progress = Progress()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._closed = threading.Event()
        self._is_idle = False  # its thread waits for an end

    def start(self) -> None:
        self._thread.start()

    def threads(self) -> list[Supervised]:
        """Return the threads that this process cannot do without."""
        return [Supervised("committer", self._thread, self._progress, has_work=lambda: not self._queue.empty())]

    def put(self, finished: Finished | None, delivery: Delivery) -> None:
        """Accept the end of an attempt; None if it is committed already and only the ack is left.

        A C-level queue without a Python lock: an exception raised into the calling thread cannot leave it held.
        """
        self._queue.put((finished, delivery))
        if self._is_idle:
            time.sleep(0)  # gives way to that thread: it would wait for the interpreter until this one has nothing left to do

    def flush(self, timeout: float = 20.0) -> None:
        """Wait until all ends passed so far are committed."""
        if self._thread.is_alive():
            done = threading.Event()
            self._queue.put(done)
            done.wait(timeout)

    def close(self, timeout: float = 20.0) -> None:
        """Commit the remaining ends, then stop accepting ends."""
        self.flush(timeout)
        self._closed.set()
        self._queue.put(threading.Event())
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        else:
            self._commit_rest()

    def _run(self) -> None:
        last = 0
        while not self._closed.is_set():
            self._progress.waits()
            self._is_idle = True
            first = self._queue.get()
            self._is_idle = False
            self._progress.step()
            if last > 1:
                time.sleep(COLLECT_S if last < MANY else COLLECT_MANY_S)
            self._batch, flushes = self._drain(first)
            last = len(self._batch)
            if self._batch:
                self._commit(self._batch)
            self._batch = []
            for done in flushes:
                done.set()

    def _commit_rest(self) -> None:
        """Commit the ends that a dead thread has left; an end that was committed already changes nothing."""
        self._batch += self._drain(threading.Event())[0]
        while self._batch:
            self._commit(self._batch)
            self._batch = self._drain(threading.Event())[0]

    def _drain(self, first: Record | threading.Event) -> tuple[list[Record], list[threading.Event]]:
        batch: list[Record] = []
        flushes: list[threading.Event] = []
        entry = first
        while True:
            if isinstance(entry, threading.Event):
                flushes.append(entry)
            else:
                batch.append(entry)
            if len(batch) >= BATCH_LIMIT:
                break
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                break
        return batch, flushes

    def _commit(self, batch: list[Record]) -> None:
        finished = [end for end, _ in batch if end is not None and self._lease.is_of((end.seq, end.attempt), end.id)]
        for pause in pauses():
            try:
                self._settle_all(finished)
                break
            except Exception as error:
                # Not acknowledged and not given up: the ends wait here until SQL is back. This thread must survive every error.
                if is_outage(error):
                    log_outage(log, "ends_wait_for_sql", error, jobs=len(finished))
                    self._progress.step()  # any other error is cured by a new process
                else:
                    log.warning("ends_wait_for_sql", jobs=len(finished), detail=type(error).__name__, exc_info=True)
                if self._closed.is_set():
                    return
                time.sleep(pause)
        try:
            self._acknowledge(batch)
        except Exception:
            log.exception("acknowledge_failed", jobs=len(batch))  # RabbitMQ redelivers these, and the claim drops them

    def _settle_all(self, finished: Sequence[Finished]) -> None:
        try:
            self._settle(finished)
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("batch_not_storable", jobs=len(finished))
            self._settle_singly(finished)

    def _settle(self, finished: Sequence[Finished]) -> None:
        if finished:
            # Plain successes are a single statement that commits by itself, unless a webhook subscribes to them: its event belongs in the
            # same commit.
            alone = is_one_statement(finished) and not events.has_subscribers(get_database())
            held: dict[str, Any] = {"finished": finished, "worker_id": self._lease.worker_id, "worker": self._lease.name}
            began = time.monotonic()
            if alone:
                moved = get_database().direct.write(partial(settle_alone, **held))
            else:
                with write() as session:
                    moved = settle(session, **held)
            self._settle_forgotten([end for end in finished if end.seq not in moved])
            meters = metering.active()
            if meters is not None:
                meters.committed(len(finished), time.monotonic() - began)

    def _settle_forgotten(self, unmoved: Sequence[Finished]) -> None:
        """Re-claim the jobs of ends that changed nothing: ends whose claim a killed PostgreSQL lost still count."""
        if unmoved:
            with write() as session:
                retaken = set(claims.retake(session, self._lease.worker_id, {(end.seq, end.attempt): end.id for end in unmoved}))
                workers.acquit(session, self._lease.name, [(end.seq, end.attempt) for end in unmoved if end.seq not in retaken])
                if retaken:
                    again = [end for end in unmoved if end.seq in retaken]
                    settle(session, again, worker_id=self._lease.worker_id, worker=self._lease.name)

    def _settle_singly(self, finished: Sequence[Finished]) -> None:
        """One end of a batch cannot be stored: write the others, and that one as a dead job with the reason."""
        for end in finished:
            try:
                self._settle([end])
            except Exception as error:
                if is_outage(error):
                    raise
                log.exception("end_not_storable", job_id=end.id)
                self._settle_reason(end, f"its end could not be stored ({type(error).__name__})")

    def _settle_reason(self, end: Finished, reason: str) -> None:
        """Write at least that the job is dead. If that fails too, its lease decides: this thread must write the ends of other jobs."""
        try:
            self._settle([_unstorable(end, reason)])
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("end_left_to_the_lease", job_id=end.id)

    def _acknowledge(self, batch: list[Record]) -> None:
        for _, delivery in batch:
            self._lease.release(delivery.key, delivery.claimed.id)
        by_consumer: dict[int, list[Delivery]] = {}
        for _, delivery in batch:
            if not delivery.is_acknowledged:
                by_consumer.setdefault(id(delivery.consumer), []).append(delivery)
        for deliveries in by_consumer.values():
            deliveries[0].consumer.settled([delivery.arrival for delivery in deliveries])


def _unstorable(end: Finished, reason: str) -> Finished:
    return Finished(
        seq=end.seq,
        id=end.id,
        actor=end.actor,
        attempt=end.attempt,
        state=State.DEAD,
        outcome=Outcome.FAILED,
        started_us=end.started_us,
        finished_us=end.finished_us,
        error=reason,
        reason=reason,
        failures=1,
        has_slots=end.has_slots,
        workflow_seq=end.workflow_seq,
    )
