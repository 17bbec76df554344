"""Child process: runs one isolated attempt, as a worker's thread would. Forked by the fork server.

The actor has the main thread, so that a signal can interrupt even a sleep; a second thread exchanges frames with the
worker. After the attempt the child reports its end and waits to be killed, together with everything that the actor has
started.
"""

from __future__ import annotations

import importlib
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import Any

import dramatiq
from dramatiq.asyncio import set_event_loop_thread
from dramatiq.middleware import Shutdown
from dramatiq.middleware.threading import Interrupt

from ...jobs.attempts.current_job import current_job
from ...jobs.core.claimed import Claimed
from ...jobs.core.envelopes import Envelope, publisher
from ...jobs.core.errors import CancelRequested
from ...logs import configure_logs, get_logger
from ...sql.clock import clock
from ...telemetry import tracing
from ..consume.deliveries import Arrival, Delivery
from ..core import signals
from ..core.lease import Lease
from ..execute import capture, interrupts, stack
from ..execute.attempt import AttemptRunner, LostLease
from ..execute.running import Running, Used
from ..options.async_actors import LoopThread, is_async
from ..options.limits import Limits
from . import process_tree
from .frames import Ended, Frames, used_by

log = get_logger(__name__)

#: seconds between two exchanges with the worker
SPEAK_S = 0.1
#: functions that are called in each child before its attempt; they raise nothing
BEGINNINGS: list[Callable[[], object]] = []
#: exceptions that a worker may raise in the actor
INTERRUPTS: dict[str, type[Interrupt]] = {"cancel": CancelRequested, "shutdown": Shutdown}


@dataclass(frozen=True, slots=True)
class Request:
    """The job that a child is to run, and its worker's lease."""

    claimed: Claimed
    module: str  # of the actor, in case `src.actors` alone does not import it
    worker_id: int
    worker: str
    clock_offset: timedelta  # of the worker's clock, which follows the database's
    trace: dict[str, str]  # the attempt's span, which the worker owns


class Messenger:
    """Sends progress, log lines and submitted jobs to the worker, and raises the worker's interrupts in the actor."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._envelopes: deque[Envelope] = deque()
        self._woken, self._wake = os.pipe()  # wakes the thread at once: a short attempt must not wait for its next poll
        self._running: Running | None = None
        self._thread = threading.Thread(target=self._run, name="messenger", daemon=True)

    def start(self, running: Running) -> None:
        self._running = running
        publisher.connect(self._envelopes.extend)  # the worker has a publisher; a connection per child would cost more than the child
        self._thread.start()

    def stop(self) -> None:
        """Send the remaining frames and end: from here on the caller may send."""
        os.write(self._wake, b".")  # not by closing it: a process that the actor forked keeps it open
        self._thread.join()
        self._say()

    def _run(self) -> None:
        try:
            while True:
                readable, _, _ = select.select([self._frames.end.fileno(), self._woken], [], [], SPEAK_S)
                if self._woken in readable:
                    return
                frame = self._frames.receive(None) if readable else None
                if frame is not None and frame[0] == "stack":
                    self._say_where()
                elif frame is not None:
                    self._interrupt(INTERRUPTS[frame[1]])
                self._say()
        except (Ended, OSError):
            os._exit(1)  # the worker is gone, and with it the lease

    def _interrupt(self, kind: type[Interrupt]) -> None:
        assert self._running is not None
        if kind is CancelRequested:
            self._running.job.cancel_requested = True
        self._running.interrupt(kind)

    def _say_where(self) -> None:
        assert self._running is not None
        ident = threading.main_thread().ident
        assert ident is not None
        self._running.job.log().add("stack", stack.of_thread(ident))

    def _say(self) -> None:
        assert self._running is not None
        self._frames.end.settimeout(None)  # wait for a worker that is slow to read
        job = self._running.job
        seen = job.progress_seen
        if seen is not None and seen is not job.progress_passed:
            job.progress_passed = seen
            self._frames.send("progress", seen)
        lines = job.lines.take() if job.lines is not None else []
        if lines:
            self._frames.send("lines", lines)
        if self._envelopes:
            envelopes = [self._envelopes.popleft() for _ in range(len(self._envelopes))]
            self._frames.send("envelopes", envelopes)


def load(modules: Sequence[str]) -> None:
    """Import the actors, like the dramatiq command."""
    for name in modules:
        importlib.import_module(name)
    tracing.prepare()


def live(end: socket.socket, parent: int) -> None:
    """Run one attempt for the worker at the other end, report its end, and wait to be killed."""
    os.setsid()
    process_tree.die_with_parent(parent)
    process_tree.adopt_orphans()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # a fork server ignores them, and its children inherit that
    signals.reset_in_children()
    frames = Frames(end)
    try:
        frames.send("ready")
        asked = frames.receive(None)
        assert asked is not None
        frames.end.settimeout(None)
        answer = _carry_out(asked[0], frames)
        sys.stdout.flush()
        sys.stderr.flush()
        frames.send(*answer)
        frames.receive(None)
    except (Ended, OSError):
        pass  # the worker is gone, and with it the lease


def _carry_out(request: Request, frames: Frames) -> tuple[Any, ...]:
    if request.clock_offset:
        clock.follow(request.clock_offset)
    tracing.join(request.trace)
    broker = dramatiq.get_broker()
    if request.claimed.actor not in broker.actors:
        importlib.import_module(request.module)
    limits = next(one for one in broker.middleware if isinstance(one, Limits))
    attempts = AttemptRunner(broker, Lease(request.worker, request.worker_id), limits)
    delivery = Delivery(request.claimed, Arrival(0, 0, False, b""), None)
    running = Running(attempts.running_job(delivery), delivery)
    running.meter = _used
    if is_async(broker.actors[request.claimed.actor].fn):
        loop = LoopThread(log)
        loop.start(timeout=10)
        set_event_loop_thread(loop)
    current_job.job = running.job
    capture.install(lambda: running.job)  # this process runs one attempt: a line of any of its threads belongs to it
    _interrupt_by_signal()
    messenger = Messenger(frames)
    messenger.start(running)
    try:
        for begin in BEGINNINGS:
            begin()
        finished = attempts.run(running)
    except LostLease:
        messenger.stop()
        return ("lost",)
    messenger.stop()
    return ("committed",) if finished is None else ("finished", finished)


def _used() -> Used:
    """Return what this process has used, with the processes that it has started and waited for."""
    return used_by(resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))


def _interrupt_by_signal() -> None:
    """Deliver interrupts by a signal whose handler raises: unlike an asynchronous exception it interrupts a sleep, too."""
    wanted: list[type[Interrupt]] = []

    def deliver(ident: int, kind: type[Interrupt]) -> None:
        wanted.append(kind)
        signal.pthread_kill(ident, signal.SIGUSR1)

    def handle(_number: int, _frame: FrameType | None) -> None:
        if wanted:
            kind = wanted.pop()
            wanted.clear()
            raise kind

    signal.signal(signal.SIGUSR1, handle)
    interrupts.interrupts.deliver_by(deliver, lambda _ident: wanted.clear())


def main() -> None:
    """Run a child that could not be forked. Arguments: file descriptor of its end, modules of actors."""
    end = socket.socket(fileno=int(sys.argv[1]))
    load(sys.argv[2:])
    configure_logs()
    live(end, os.getppid())
    time.sleep(60)  # to be killed
    os._exit(0)
