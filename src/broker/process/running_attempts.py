"""Running attempts of a worker: writes their logs and progress, passes on cancels, hands back waiting jobs, acknowledges early."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from ...jobs.attempts import attempt_logs
from ...jobs.core.errors import CancelRequested
from ...jobs.finish import settle
from ...jobs.leases import workers
from ...logs import get_logger
from ...settings import get_settings
from ...sql.database import get_database, write
from ...sql.outages import is_outage
from ..consume.deliveries import Delivery
from ..consume.work_queue import WorkQueue
from ..core.lease import Lease
from ..core.load import Load
from ..core.log_throttle import LogThrottle

log = get_logger(__name__)

#: seconds that a claimed job may wait for a thread of this process until it is handed back
HAND_BACK_S = 2.0


class RunningAttempts:
    """Used by the lease thread; only `keep_lines` may be called from others. `hand_back` queues claimed jobs again."""

    def __init__(self, lease: Lease, load: Load, work_queue: WorkQueue, hand_back: Callable[[Sequence[Delivery]], None]) -> None:
        self._lease = lease
        self._load = load
        self._work_queue = work_queue
        self._hand_back = hand_back
        self._unwritten: list[attempt_logs.Row] = []  # log lines
        self._late: deque[attempt_logs.Row] = deque()  # log lines of attempts that ended without a record to carry them
        self._causes = LogThrottle()

    def tend(self) -> None:
        """Run each step separately: a row that cannot be written must not delay other jobs' cancels or acks."""
        running = list(self._load.running.values())
        for step in (self._write_lines, self._write_progress, self._pass_on_cancels, self._hand_back_waiting, self._acknowledge_early):
            about = f"{step.__name__} "
            try:
                step(running)
                self._causes.passed(about)
            except Exception as error:
                if is_outage(error):
                    raise
                if times := self._causes.count(f"{about}{type(error).__name__}"):
                    log.exception("lease_failed", step=step.__name__.strip("_"), times=times)

    def keep_lines(self, attempt: Any) -> None:
        """Write the remaining log of an attempt whose end the committer does not write."""
        if attempt.job.lines is not None:
            self._late.extend(attempt_logs.rows(attempt.job.seq, attempt.job.attempt, attempt.job.lines.pending()))

    def unwritten_lines(self) -> list[attempt_logs.Row]:
        """Return the lines that are not in SQL yet."""
        return [*self._unwritten, *self._late]

    def _write_lines(self, running: Sequence[Any]) -> None:
        for attempt in running:
            if attempt.job.lines is not None:
                self._unwritten += attempt_logs.rows(attempt.job.seq, attempt.job.attempt, attempt.job.lines.take())
        while self._late:
            self._unwritten.append(self._late.popleft())
        if self._unwritten:
            _write_each(self._unwritten, attempt_logs.write)
            self._unwritten = []  # not before the commit: lines that an outage kept from being written are retried

    def _write_progress(self, running: Sequence[Any]) -> None:
        # Progress is not cleared: the actor may report more at any moment, and the last report belongs to the end.
        reported = [(attempt.job, attempt.job.progress_seen) for attempt in running]
        news = [(job, seen) for job, seen in reported if seen is not None and seen is not job.progress_noted]
        if not news:
            return
        _write_each([(job.seq, job.attempt, *seen) for job, seen in news], settle.note_progress)
        for job, seen in news:
            job.progress_noted = seen

    def _pass_on_cancels(self, running: Sequence[Any]) -> None:
        if not running:
            return
        with get_database().read() as session:
            wanted = set(workers.cancels_requested(session, self._lease.worker_id))
        for attempt in running:
            if attempt.job.seq in wanted and not attempt.is_notified:
                attempt.job.cancel_requested = True
                attempt.is_notified = attempt.interrupt(CancelRequested)

    def _hand_back_waiting(self, _running: Sequence[Any]) -> None:
        """Hand back claimed jobs that wait behind long ones: another process may have a free thread."""
        if not self._load.overdue(HAND_BACK_S):
            return
        limit = time.monotonic() - HAND_BACK_S
        waiting = self._work_queue.take_out(lambda delivery: delivery.received < limit)
        if waiting:
            log.info("handed_back", jobs=len(waiting))
            self._hand_back(waiting)

    def _acknowledge_early(self, _running: Sequence[Any]) -> None:
        for attempt in self._load.overdue(get_settings().early_ack_after):
            delivery = attempt.delivery
            if not delivery.is_acknowledged:
                # From here on the lease protects the job: no consumer timeout, no redelivery, however long it takes.
                delivery.is_acknowledged = True
                delivery.consumer.settled([delivery.arrival])


def _write_each(rows: Sequence[Any], into: Callable[[Session, Sequence[Any]], None]) -> None:
    """Write the rows in one transaction, or one by one if a row cannot be stored, leaving that one out; raises during an outage."""
    try:
        with write() as session:
            into(session, rows)
    except Exception as error:
        if is_outage(error):
            raise
        if len(rows) == 1:
            log.exception("row_not_storable", job_seq=rows[0][0])
            return
        for row in rows:
            _write_each([row], into)
