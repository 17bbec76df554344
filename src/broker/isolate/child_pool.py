"""Child pool of a worker: starts a child process for each isolated attempt, monitors it, kills it at its hard limit or after a cancel."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

from ...jobs.core.errors import CancelRequested
from ...logs import get_logger
from ...settings import get_settings
from ...sql.clock import clock
from ...telemetry import tracing
from ..core.connections import pauses
from ..core.lease import Lease
from ..execute.executor import IsolatedEnd
from ..execute.running import Running, Used
from ..options.isolation import ChildDied, HardTimeLimitExceeded
from ..publish.publisher import hand_off
from . import fork_server
from .child import INTERRUPTS, Request
from .fork_server import END, START
from .forked import Forked
from .frames import Ended, Frames, pair

log = get_logger(__name__)

#: seconds between two checks for interrupts and stack requests of a running child
CHECK_S = 0.2
#: seconds a child may take to become ready; the fork server imports every actor before its first
READY_S = 120.0
#: seconds a killed child may take to be gone
GONE_S = 5.0
#: module of actors that every worker loads; others are found through the actor
MODULES = [f"{__name__.partition('.')[0]}.actors"]


class ForkedServer(Forked):
    """The fork server forked from this process."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        super().__init__(pid)
        self.control = control


def fork_early() -> ForkedServer | None:
    """Fork this process's fork server before it has threads and connections; None if it has, and the server starts cold later."""
    if not fork_server.may_fork():
        return None
    ours, theirs = pair()
    try:
        return ForkedServer(fork_server.fork(theirs, ours, MODULES), ours)
    except OSError as error:
        ours.close()
        log.warning("fork_server_not_forked", detail=str(error))
        return None
    finally:
        theirs.close()


class ChildPool:
    """The fork server of one worker process and its children. Any thread may `run`."""

    def __init__(self, lease: Lease, forked: ForkedServer | None = None) -> None:
        self._lease = lease
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | ForkedServer | None = forked
        self._control: socket.socket | None = forked.control if forked else None
        self._closed = False

    def start(self) -> None:
        """Start the fork server, or a new one if it has died; returns before it is ready. Raises OSError if the system is out of processes."""
        with self._lock:
            if self._closed or (self._process is not None and self._process.poll() is None):
                return
            if self._control is not None:
                self._control.close()
            self._process = self._control = None
            ours, theirs = pair()
            try:
                # A session of its own: a signal to the worker's group must not keep it from ending its children.
                self._process = subprocess.Popen(
                    [sys.executable, "-c", f"from {fork_server.__name__} import main; main()", str(theirs.fileno()), *MODULES],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
            finally:
                theirs.close()
            self._control = ours
            log.info("fork_server_started", pid=self._process.pid)

    def run(self, running: Running, module: str, limit_ms: float | None) -> IsolatedEnd:
        """Run the attempt in its own child; return when that is gone, with everything it has started."""
        number = next(self._numbers)
        frames = self._new_child(number)
        if frames is None:
            return IsolatedEnd(error=ChildDied("no process could be started for it"))
        try:
            ending = self._follow(frames, running, module, limit_ms)
            used = self._end(number, frames)
        finally:
            frames.end.close()
        return ending if used is None else replace(ending, used=used)

    def close(self) -> None:
        """End every child and the fork server: their attempts can no longer report."""
        with self._lock:
            self._closed = True
            process, control = self._process, self._control
        if process is None or control is None:
            return
        with suppress(OSError):
            control.shutdown(socket.SHUT_RDWR)
        try:
            process.wait(GONE_S)
        except subprocess.TimeoutExpired:
            process.kill()  # its children die with it
            with suppress(subprocess.TimeoutExpired):
                process.wait(GONE_S)

    def _new_child(self, number: int) -> Frames | None:
        """Request a child and return its frames; None if none was ready within READY_S, or this worker ends."""
        deadline = time.monotonic() + READY_S
        for pause in pauses():
            try:
                self.start()
                return self._ask(number)
            except OSError as error:  # the fork server has just died, or the system is out of processes or descriptors
                if self._closed or time.monotonic() + pause > deadline:
                    return None
                log.warning("child_waits", child=number, detail=str(error))
            time.sleep(pause)
        return None

    def _ask(self, number: int) -> Frames | None:
        if self._control is None:
            return None
        ours, theirs = pair()
        try:
            socket.send_fds(self._control, [START + str(number).encode()], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return Frames(ours)

    def _follow(self, frames: Frames, running: Running, module: str, limit_ms: float | None) -> IsolatedEnd:
        try:
            if frames.receive(READY_S) is None:
                return IsolatedEnd(error=ChildDied(f"its process was not ready within {READY_S:.0f} s"))
            frames.end.settimeout(READY_S)
            frames.send(Request(running.delivery.claimed, module, self._lease.worker_id, self._lease.name, clock.offset, tracing.carrier()))
            return _Watch(frames, running, limit_ms).until_end()
        except Ended as end:
            return IsolatedEnd(error=ChildDied(_how(end.status)), used=end.used)
        except OSError as error:
            return IsolatedEnd(error=ChildDied(f"its process could not be reached ({error.strerror or error})"))

    def _end(self, number: int, frames: Frames) -> Used | None:
        """End the child; return what it has used, None if that is known already, or never will be."""
        control = self._control
        if control is not None:
            with suppress(OSError):  # without a fork server there is no child
                control.send(END + str(number).encode())
        deadline = time.monotonic() + GONE_S
        try:
            while time.monotonic() < deadline:
                frames.receive(deadline - time.monotonic())
        except Ended as end:
            return end.used if end.status is not None else None
        log.error("child_does_not_end", child=number)
        return None


class _Watch:
    """Follows one child to the end of its attempt."""

    def __init__(self, frames: Frames, running: Running, limit_ms: float | None) -> None:
        self._frames = frames
        self._running = running
        self._limit_ms = limit_ms
        self._deadline = float("inf") if limit_ms is None else time.monotonic() + limit_ms / 1000
        self._kill_at = float("inf")
        self._sent: Any = None

    def until_end(self) -> IsolatedEnd:
        while True:
            present = time.monotonic()
            if present >= self._deadline:
                assert self._limit_ms is not None
                return IsolatedEnd(error=HardTimeLimitExceeded(f"hard time limit of {self._limit_ms / 1000:g} s exceeded"))
            if present >= self._kill_at:
                return IsolatedEnd(error=CancelRequested("it did not react to the cancel and was killed"))
            self._pass_on()
            frame = self._frames.receive(max(0.001, min(CHECK_S, self._deadline - present, self._kill_at - present)))
            if frame is not None:
                ending = self._take(*frame)
                if ending is not None:
                    return ending

    def _take(self, kind: str, what: Any = None) -> IsolatedEnd | None:
        job = self._running.job
        if kind == "finished":
            return IsolatedEnd(finished=what)
        if kind == "committed":
            return IsolatedEnd(is_committed=True)
        if kind == "lost":
            return IsolatedEnd(is_lost=True)
        if kind == "progress":
            job.progress_seen = what
        elif kind == "lines":
            job.log().extend(what)
        elif kind == "envelopes":
            hand_off(what)
        return None

    def _pass_on(self) -> None:
        """Send interrupts and stack requests to the child; an ignored cancel kills the process after a grace period."""
        if self._running.wants_stack:
            self._running.wants_stack = False
            self._send("stack")
        wanted = CancelRequested if self._running.job.cancel_requested else self._running.wanted
        if wanted is None or wanted is self._sent:
            return
        self._sent = wanted
        if wanted is CancelRequested:
            self._kill_at = time.monotonic() + get_settings().cancel_grace
        name = next(name for name, kind in INTERRUPTS.items() if kind is wanted)
        self._send("interrupt", name)

    def _send(self, *frame: str) -> None:
        self._frames.end.settimeout(CHECK_S)
        with suppress(TimeoutError):  # the child no longer reads: the grace period or the limit ends it
            self._frames.send(*frame)


def _how(status: int | None) -> str:
    if status is None:
        return "its process ended, exit status unknown"
    if os.WIFSIGNALED(status):
        return f"its process was killed by signal {os.WTERMSIG(status)}"
    return f"its process exited with code {os.WEXITSTATUS(status)}"
