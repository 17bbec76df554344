"""Boot: installs Callboard's parts in Dramatiq's Worker when it starts, and stops them in order."""

from __future__ import annotations

import fcntl
import gc
import logging
import multiprocessing
import os
import signal
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from dramatiq import Middleware
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.broker import Broker
from dramatiq.middleware import MiddlewareError

from ...logs import configure_logs, get_logger
from ...settings import get_settings
from ...sql.outages import SharedConnection
from ...telemetry import metering, tracing
from ..consume.celery_messages import celery_inbox
from ..core import signals
from ..core.supervision import Supervised, VitalThreads
from ..execute import capture
from ..execute.executor import Executor
from ..execute.interrupts import interrupts
from ..isolate.child_pool import ForkedServer, fork_early
from ..options import isolation
from ..options.limits import Limits
from ..options.shutdown import notify
from ..publish.publisher import get_publisher
from ..recover.relay import Relay
from . import memory, parent, recycling
from .prefork import Link
from .stopping import Stopping
from .worker_process import SchemaMissing, WorkerProcess

log = get_logger(__name__)

#: seconds that the main process has to read the last lines of a worker that cannot start
LAST_LINES_S = 5.0
_PACKAGE = __name__.partition(".")[0]

#: new objects that trigger a garbage collection; the default of 700 would scan the jobs in progress several times each
YOUNG_OBJECTS = 20_000
#: seconds that an idle thread sleeps: a job wakes it, and so does the end of the process (WorkQueue.close)
IDLE_S = 60.0
#: seconds that running actors get in a process that can no longer renew its lease, or commit their ends
HASTE_S = 3.0


class CeleryNotImported(Exception):
    """No module of actors imports src/celery, which makes jobs of Celery's messages."""


#: problems whose message names the cure
_REFUSALS = (SchemaMissing, CeleryNotImported, recycling.MemoryLimitTooLow, SharedConnection)


class Boot(Middleware):
    """The middleware that starts and stops the parts of this worker process."""

    def __init__(self) -> None:
        self.process: WorkerProcess | None = None
        self._relay: Relay | None = None
        self._executor: Executor | None = None
        self._worker: Any = None
        self._stopping: Stopping | None = None
        self._vital = VitalThreads(self._threads)
        self._serves = False
        self._stops = threading.Event()
        self._forked: ForkedServer | None = None
        self._link: Link | None = None  # to the prefork parent
        self._is_command = False  # started by the dramatiq command

    def after_process_boot(self, broker: Broker) -> None:
        self._is_command = True
        with self._must_succeed():
            configure_logs()
            memory.limit_heaps()
            self._link = recycling.prepare()
            if _has_isolated(broker):
                self._forked = fork_early()
            if self._link is not None:
                parent.watch(self._stops, self._stop, self._link.parent)
            elif (main := multiprocessing.parent_process()) is not None:  # Dramatiq's main process
                parent.watch(self._stops, self._stop, main.pid)
            signals.reset_in_children()

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:
        with self._must_succeed():
            self._start(broker, worker)

    def after_worker_boot(self, broker: Broker, worker: Any) -> None:
        self._serves = True

    def _start(self, broker: Broker, worker: Any) -> None:
        listened = worker.consumer_whitelist or broker.queues
        if get_settings().celery_queue_names and not celery_inbox.is_connected:
            raise CeleryNotImported(f"CALLBOARD_CELERY_QUEUES needs Celery's interface: add {_PACKAGE}.celery to CALLBOARD_ACTORS.")
        limits = next(one for one in broker.middleware if isinstance(one, Limits))
        end = _end_this_process if self._is_command else None
        process = WorkerProcess(
            threads=worker.worker_threads,
            queues=list(listened),
            actors=broker.actors,
            limits=limits,
            end=end,
            forked=self._forked,
            recycling=recycling.Recycling(self._link),
        )
        worker.work_queue = process.work_queue  # before Dramatiq creates the threads that consume it
        self.process, self._worker = process, worker
        if self._is_command:
            self._stopping = Stopping(worker, process.status_page)
        tracing.start("worker")
        meters = metering.start("worker")
        if meters is not None:
            load = process.load
            meters.watch(
                threads=load.threads, busy=lambda: len(load.running), prefetched=lambda: max(0, load.in_flight - len(load.running))
            )
        capture.install()
        self._executor = process.executor(broker)
        process.start(self._check)
        if _has_isolated(broker):
            with suppress(OSError):  # the first job tries again
                process.children.start()  # it needs a second or two to import the actors: do that before the first job
        # Made here, not with the broker: a fork would count a thread that was made before it as ended.
        self._relay = Relay()
        self._relay.start()
        _calm_collector()
        _log_served(broker, process, listened)

    def after_worker_thread_boot(self, broker: Broker, thread: Any) -> None:
        assert self._executor is not None
        thread.process_message = self._executor.run
        thread.timeout = IDLE_S

    def after_consumer_thread_boot(self, broker: Broker, thread: Any) -> None:
        thread.stop = partial(_stop_consumer, thread)

    def before_worker_shutdown(self, broker: Broker, worker: Any) -> None:
        self._stops.set()
        if self._relay is not None:
            self._relay.close()
        if self.process is not None:
            self.process.stop_taking()
            notify(broker, list(self.process.load.running.values()))

    def after_worker_shutdown(self, broker: Broker, worker: Any) -> None:
        if self.process is not None:
            self.process.close()
            tracing.stop()
            metering.stop()

    @contextmanager
    def _must_succeed(self) -> Iterator[None]:
        """End a process that cannot start. Dramatiq logs a middleware's exception and goes on: it would consume, never work and never exit."""
        try:
            yield
        except Exception as error:
            log.critical(
                "worker_cannot_start",
                detail=str(error),
                exc_info=not isinstance(error, _REFUSALS),
            )
            if self._is_command:
                _let_logs_be_read()
                sys.exit(1)
            raise MiddlewareError(str(error)) from error

    def _threads(self) -> Iterator[Supervised]:
        """Yield the threads that this process cannot do without."""
        if self.process is not None:
            yield from self.process.threads()
        if self._relay is not None:
            yield from self._relay.threads()
        yield from get_publisher().threads()
        yield from interrupts.threads()
        for queue, thread in list(self._worker.consumers.items()):
            yield Supervised(f"consumer of {queue}", thread, getattr(thread.consumer, "progress", None))
        for thread in list(self._worker.workers):
            yield Supervised("worker thread", thread)  # no time limit: its actor may run for hours
        if (loop := get_event_loop_thread()) is not None:
            yield Supervised("event loop", loop)

    def _check(self, elapsed_s: float) -> None:
        """Replace this process if it has lost one of its threads."""
        if not self._serves or self._stops.is_set():
            return
        if self._link is not None and all(getattr(each.consumer, "is_connected", False) for each in self._worker.consumers.values()):
            self._link.serves()
        lost = self._vital.check(elapsed_s)
        if lost is None:
            return
        name, why = lost
        self._stops.set()
        log.critical("worker_thread_lost", thread=name, detail=f"it {why}")
        if self._stopping is None:
            assert self.process is not None
            self.process.abandon_lease()
            return
        is_hasty = name in ("lease", "committer")
        threading.Thread(target=self._end, args=(self._stopping, is_hasty), name="end", daemon=True).start()

    def _end(self, stopping: Stopping, is_hasty: bool) -> None:
        try:
            if is_hasty:
                stopping.stop(HASTE_S * 1000, leeway_s=HASTE_S)
            else:
                stopping.stop(get_settings().shutdown_timeout * 1000)
            get_publisher().close()
        finally:
            stopping.end_now()

    def _stop(self, within_s: float) -> None:
        if self._stopping is not None:
            self._stopping.stop(within_s * 1000)


def _has_isolated(broker: Broker) -> bool:
    return any(isolation.wants(actor) for actor in broker.actors.values())


def _stop_consumer(thread: Any) -> None:
    """Let a consumer's thread end now, not when its wait for deliveries is over."""
    type(thread).stop(thread)
    if thread.consumer is not None:
        thread.consumer.wake()


def _end_this_process() -> None:
    """Shut down as for a deploy: Dramatiq's main process ends with its worker, and the supervisor starts a new one."""
    os.kill(os.getpid(), signal.SIGTERM)


def _calm_collector() -> None:
    """Make garbage collections rare, and exclude imported objects, which live as long as the process."""
    gc.collect()
    gc.freeze()
    memory.give_back()
    young, *older = gc.get_threshold()
    if 0 < young < YOUNG_OBJECTS:  # a collector that is disabled, or made rarer still, stays so
        gc.set_threshold(YOUNG_OBJECTS, *older)


def _log_served(broker: Broker, process: WorkerProcess, listened: Any) -> None:
    hosts = ", ".join(url.rsplit("@", 1)[-1] for url in get_settings().broker_urls)
    log.info(
        "worker_serves",
        worker=process.lease.name,
        broker=hosts,
        threads=process.load.threads,
        queues=sorted(listened),
        actors=sorted(broker.actors),
    )


def _let_logs_be_read() -> None:
    """Wait until Dramatiq's main process has read what was logged: it stops reading when its workers have ended."""
    streams: list[Any] = [getattr(handler, "stream", None) for handler in logging.getLogger().handlers]
    pipes = [stream.fileno() for stream in streams if hasattr(stream, "pipe")]
    deadline = time.monotonic() + LAST_LINES_S
    while time.monotonic() < deadline and any(_unread(pipe) for pipe in pipes):
        time.sleep(0.01)


def _unread(pipe: int) -> int:
    """Return the bytes in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
