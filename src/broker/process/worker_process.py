"""Worker process: its lease, load, committer and children. Created when Dramatiq's Worker boots."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from dramatiq.broker import Broker

from ... import __version__, migrations
from ...jobs.attempts import attempt_logs
from ...jobs.control.held import release_known
from ...jobs.core.states import WorkerCommand
from ...jobs.leases import claims, worker_commands, workers
from ...jobs.leases.renewal import renew
from ...logs import get_logger
from ...settings import get_settings
from ...sql.database import get_database, write
from ...sql.outages import is_outage, log_outage
from ..consume.claimer import Claimer
from ..consume.consumer import QueueConsumer
from ..consume.deliveries import Delivery
from ..consume.left_waiting import LeftWaiting
from ..consume.work_queue import WorkQueue
from ..core import refusals
from ..core.connections import pauses
from ..core.lease import Lease
from ..core.load import Load
from ..core.log_throttle import LogThrottle
from ..core.supervision import Progress, Supervised
from ..execute.attempt import AttemptRunner
from ..execute.committer import Committer
from ..execute.executor import Executor
from ..isolate.child_pool import ChildPool, ForkedServer
from ..options.limits import Limits
from .memory import GiveBack, resident_bytes
from .recycling import BY, Recycling
from .running_attempts import RunningAttempts
from .status_page import StatusPage
from .unheld import UnheldJobs

log = get_logger(__name__)

#: seconds between two checks of progress, cancels and jobs that wait behind long ones
TEND_S = 0.4


class SchemaMissing(Exception):
    """The database lacks tables or columns; the message names the cure."""


class WorkerProcess:
    """Holds what the threads of the process share, and maintains its lease: registration, heartbeats, the operator's commands."""

    def __init__(
        self,
        *,
        threads: int,
        queues: Sequence[str],
        actors: dict[str, Any],
        limits: Limits,
        end: Callable[[], None] | None = None,
        forked: ForkedServer | None = None,
        recycling: Recycling | None = None,
    ) -> None:
        self.actors = actors
        self.limits = limits
        self.lease = Lease(f"{socket.gethostname()}:{os.getpid()}")
        self.load = Load(threads)
        self.committer = Committer(self.lease)
        self.children = ChildPool(self.lease, forked)
        self.status_page = StatusPage()
        self.work_queue = WorkQueue()
        self.attempts = RunningAttempts(self.lease, self.load, self.work_queue, self.hand_back)
        self._unheld = UnheldJobs(self.lease)
        self._queues = queues
        self._command: WorkerCommand | None = None
        self._end = end  # shuts this process down gracefully; None: the process is not ours to end
        self._causes = LogThrottle()
        self._recycling = recycling or Recycling()
        self._give_back = GiveBack()
        self._progress = Progress()
        self._check: Callable[[float], None] = lambda _elapsed_s: None
        self._consumers: list[QueueConsumer] = []
        self._left_waiting = LeftWaiting(self.lease.held)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def executor(self, broker: Broker) -> Executor:
        """Return the executor with which this process's threads run claimed jobs."""
        return Executor(
            AttemptRunner(broker, self.lease, self.limits),
            self.load,
            children=self.children,
            status_page=self.status_page,
            commit=self.committer.put,
            keep_lines=self.attempts.keep_lines,
        )

    def consumer(self, queue: str, timeout_s: float) -> QueueConsumer:
        """Return the consumer of one queue, which claims for this process."""
        consumer = QueueConsumer(
            queue,
            timeout_s,
            claimer=Claimer(self.lease, self.load, queue, actors=self.actors, policies=self.limits.policies),
            lease=self.lease,
            load=self.load,
            work_queue=self.work_queue,
            hand_back=self.hand_back,
            flush=self.committer.flush,
            left_waiting=self._left_waiting,
        )
        self._consumers.append(consumer)
        return consumer

    def threads(self) -> list[Supervised]:
        """Return the threads that this process cannot do without."""
        return [Supervised("lease", self._thread, self._progress), *self.status_page.threads(), *self.committer.threads()]

    def abandon_lease(self) -> None:
        """Stop heartbeats and claims, in a process that is not ours to end: its jobs are taken over when the lease expires."""
        self._closing.set()
        self.load.close()

    def start(self, check: Callable[[float], None]) -> None:
        """Register, waiting for SQL if need be, and start maintaining the lease. `check` is called at each beat of the pulse."""
        self._check = check
        self.status_page.start(check)
        for pause in pauses():
            try:
                with get_database().engine.connect() as connection:
                    problem = migrations.missing(connection)
                if problem:
                    raise SchemaMissing(problem)
                self._register()
                break
            except Exception as error:
                if not is_outage(error):
                    raise
                log_outage(log, "worker_waits_for_sql", error)
                time.sleep(pause)
        self.committer.start()
        self._thread.start()

    def stop_taking(self) -> None:
        """Claim no more jobs; running ones continue."""
        self.load.close()
        self.work_queue.close()

    def close(self) -> None:
        """Commit every known end, hand the rest back, and sign off."""
        self.committer.close()
        # Nothing can report any more, so these may be taken over: listed before the children end, whose threads then move on.
        unfinished = list(self.lease.held.keys() | {(attempt.job.seq, attempt.job.attempt) for attempt in list(self.load.running.values())})
        self.children.close()
        self._closing.set()
        self._thread.join(timeout=5)
        try:
            with write() as session:
                attempt_logs.write(session, self.attempts.unwritten_lines())
                claims.give_back(session, self.lease.worker_id, unfinished)
                attempt_logs.forget(session, unfinished)
                workers.sign_off(session, self.lease.worker_id)
            self.status_page.sign_off()
            if unfinished:
                log.info("handed_back_unfinished", jobs=len(unfinished))
        except Exception as error:  # noqa: BLE001 - the process ends; without a sign-off the lease runs out by itself
            log.warning("sign_off_failed", detail=type(error).__name__)

    def hand_back(self, deliveries: Sequence[Delivery]) -> None:
        """Queue claimed jobs again that no thread has started; their deliveries are settled."""
        if not deliveries:
            return
        # First: as soon as this is committed, the same attempt may be claimed here again.
        for one in deliveries:
            self.lease.release(one.key, one.claimed.id)
        for pause in pauses():
            try:
                with write() as session:
                    claims.give_back(session, self.lease.worker_id, [(one.claimed.seq, one.claimed.attempt) for one in deliveries])
                break
            except Exception as error:
                if not is_outage(error) or self._closing.is_set():
                    raise
                time.sleep(pause)
        self.load.release(len(deliveries))
        for one in deliveries:
            one.consumer.settled([one.arrival])

    def _register(self) -> None:
        get_database().check_clock()
        with write() as session:
            self.lease.worker_id = workers.register(
                session,
                name=self.lease.name,
                host=socket.gethostname(),
                pid=os.getpid(),
                version=__version__,
                threads=self.load.threads,
                queues=self._queues,
                actors=list(self.actors),
                recycled=self._recycling.inherited,
            )
            release_known(session, list(self.actors))
            if self._command is not None:
                worker_commands.copy_to(session, self.lease.worker_id, self._command)
        self.lease.renew(time.monotonic())
        self.status_page.know(self.lease.worker_id)
        log.info("worker_registered", worker_id=self.lease.worker_id)

    def _run(self) -> None:
        beat = time.monotonic()  # of the registration
        is_first = True
        while not self._closing.wait(TEND_S):
            self._check_pulse()
            # The first one as soon as this process consumes: a reload waits for it.
            beats = time.monotonic() - beat >= get_settings().heartbeat_interval or (is_first and self._consumes())
            try:
                if beats:
                    self._heartbeat()
                    beat, is_first = time.monotonic(), False
                    self._unheld.hand_back()
                self._progress.step()  # not after an unforeseen error: failing to renew a lease is not progress
                self.attempts.tend()
                if beats:
                    self._causes.passed()  # not between two beats: a beat that fails each time would be logged each time
            except Exception as error:  # noqa: BLE001 - the next iteration retries
                if is_outage(error):
                    self._progress.step()
                self._causes.failed(log, error, waits="lease_waits_for_sql", broke="lease_failed")

    def _consumes(self) -> bool:
        return bool(self._consumers) and all(consumer.is_subscribed for consumer in self._consumers)

    def _check_pulse(self) -> None:
        """Check the threads from here once the pulse thread is gone; its watchdog may be disabled."""
        if not self.status_page.is_beating:
            self._check(TEND_S)

    def _heartbeat(self) -> None:
        asked = time.monotonic()
        get_database().check_clock()  # first: a lease by a wrong clock may have expired when it is written
        self._give_back.if_due()
        memory_bytes = resident_bytes()
        recycled = self._recycling.due(memory_bytes=memory_bytes, jobs=self.load.done) if self._command is None else ""
        if recycled:
            with write() as session:
                worker_commands.copy_to(session, self.lease.worker_id, WorkerCommand.STOP, by=f"{BY}{recycled}")
        state: dict[str, Any] = {
            "busy": len(self.load.running),
            "jobs_done": self.load.done,
            "frontier": dict(self.load.frontier),
            "memory_bytes": memory_bytes,
            "refusals": refusals.reasons(),
            # Not during shutdown: jobs that another thread hands back at this moment would be claimed again.
            "held": lambda: {} if self.load.is_closing else self.lease.held.copy(),
        }
        # A power failure may undo a heartbeat: nothing depends on an earlier one.
        renewal = get_database().direct.write(lambda one: renew(one, self.lease.worker_id, **state), flush=False)
        if renewal.retaken:
            log.warning("forgotten_claims_retaken", jobs=len(renewal.retaken))
        for attempt in list(self.load.running.values()):
            if (attempt.job.seq, attempt.job.attempt) in renewal.stacks:
                attempt.say_where()
        if renewal.alive:
            self.lease.renew(asked)
            self._obey(renewal.command)
            return
        # Cut off for too long: the jobs were taken over, and late reports under the old number change nothing.
        with write() as session:
            workers.survived(session, self.lease.worker_id, list(self.lease.held))
        log.warning("lease_lost", worker_id=self.lease.worker_id)
        self._register()

    def _obey(self, command: WorkerCommand | None) -> None:
        """Execute the operator's command: pause, or stop."""
        if command is not self._command:
            log.info("worker_command", command=command.value if command else None)
            self._command = command
            self.load.be_quiet(command is not None)
        if command is None:
            return
        # Other processes run the jobs that no thread here has begun.
        self.hand_back(self.work_queue.take_out(lambda _delivery: True))
        if command is WorkerCommand.STOP and not self.load.in_flight and not self.lease.held and self._end is not None:
            log.info("worker_stops_on_command")
            end, self._end = self._end, None
            end()
