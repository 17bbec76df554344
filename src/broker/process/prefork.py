"""Prefork parent: forks a worker's replacement, and lets the worker drain once the replacement serves.

Dramatiq's main process stops everything when one of its processes ends, and starts none later. So with a limit set
(recycling.py), the process of a worker forks the worker and stays its parent. It has imported the actors and runs no
job: it does not grow, and a replacement is ready within a second.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, NamedTuple

from ...logs import get_logger
from ..core.connections import pauses
from ..core.log_throttle import LogThrottle
from ..isolate import fork_server, random_numbers

log = get_logger(__name__)

#: lines of a worker: it serves; replace it (with the reason). Line of its parent: finish your jobs and end
SERVES, REPLACE, DRAIN = b"serves", b"replace ", b"drain"
#: requests to stop, which go to every worker
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: seconds between two checks of Dramatiq's main process, where the kernel does not report its end
CHECK_S = 1.0


class Line(NamedTuple):
    """One end of two pipes. No socket: a worker with one would start its fork server cold."""

    reading: int
    writing: int

    def send(self, message: bytes) -> None:
        """Send a line, if the other end still reads."""
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self.writing, message + b"\n")

    def read(self) -> list[bytes]:
        """Return the lines that have arrived; [b""] if the other end has closed. A line is one atomic write."""
        try:
            return os.read(self.reading, select.PIPE_BUF).removesuffix(b"\n").split(b"\n")
        except BlockingIOError:
            return []

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)


def _pair() -> tuple[Line, Line]:
    (down, sends), (reads, up) = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC), os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    return Line(reads, sends), Line(down, up)


class Link:
    """A worker's line to its prefork parent. Not thread-safe."""

    def __init__(self, line: Line, parent: int, reason: str) -> None:
        self.parent = parent
        self.reason = reason  # why the process before this one was replaced; "": this is the first
        self._line = line
        self._serves = self._is_replaced = False

    def serves(self) -> None:
        """Report that this process takes jobs."""
        if not self._serves:
            self._line.send(SERVES)
            self._serves = True

    def ask(self, reason: str) -> None:
        """Request a replacement; repeated while `is_replaced` is false, as a first one may have died."""
        self._line.send(REPLACE + reason.encode())

    @property
    def is_replaced(self) -> bool:
        """True once a replacement serves."""
        self._is_replaced |= DRAIN in self._line.read()
        return self._is_replaced


def fork_worker() -> Link | None:
    """Fork this process, in its main thread: return in the worker, and in each later replacement, but never in this process.

    None if this process cannot be forked safely: then the worker is this process itself.
    """
    if sys.platform != "linux" or not fork_server.may_fork():
        log.warning("worker_has_no_prefork_parent", cure="start threads and connections when they are needed, not when actors are imported")
        return None
    return Prefork().run()


class Prefork:
    """The prefork parent of one worker."""

    def __init__(self) -> None:
        # Dramatiq's main process; a worker without one runs on when its shell ends.
        self._main = os.getppid() if multiprocessing.parent_process() is not None else None
        self._lines: dict[int, Line] = {}  # pid of each worker -> our end of its line
        self._serving = self._starting = 0  # pids
        self._wanted: str | None = None  # reason for the replacement that is to be forked
        self._stops = False
        self._code = 0
        self._retry_at = 0.0
        self._pauses: Iterator[float] = pauses()
        self._causes = LogThrottle()
        self._random = random_numbers.generators()
        self._handlers: dict[int, Any] = {}
        self._poll = select.poll()

    def run(self) -> Link:
        """Fork the worker and its replacements until all have ended; return only in them."""
        gc.collect()
        gc.freeze()  # a collection in a fork must not touch, and so copy, every page that it shares
        self._wakeup, self._written = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._written)
        for number in (*STOPS, signal.SIGCHLD):
            if signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._handlers[number] = signal.signal(number, _ignore)
        self._poll.register(self._wakeup, select.POLLIN)
        link = self._fork("")
        self._serving, self._starting = self._starting, 0
        while link is None:
            self._wait()
            if self._wanted is not None and not self._starting and not self._stops and time.monotonic() >= self._retry_at:
                link = self._fork(self._wanted)
        return link

    def _fork(self, reason: str) -> Link | None:
        """Fork a worker; None in this process. The first fork that the system refuses ends this process."""
        parent = os.getpid()
        ours, theirs = _pair()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until the worker's own handlers are back
        try:
            pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            if not self._serving:
                raise
            self._postpone(str(error))
            return None
        if pid == 0:
            ours.close()
            self._become_worker()
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            return Link(theirs, parent, reason)
        theirs.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        self._starting, self._wanted = pid, None
        self._lines[pid] = ours
        self._poll.register(ours.reading, select.POLLIN)
        return None

    def _become_worker(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for line in self._lines.values():
            line.close()
        os.close(self._wakeup)
        os.close(self._written)
        random_numbers.reseed(self._random)

    def _wait(self) -> None:
        for descriptor, _ in self._poll.poll(CHECK_S * 1000):
            if descriptor == self._wakeup:
                self._handle(os.read(self._wakeup, 4096))
            else:
                self._listen(descriptor)
        if self._is_orphan:
            os._exit(1)  # the workers notice, and stop

    @property
    def _is_orphan(self) -> bool:
        return self._main is not None and os.getppid() != self._main

    def _handle(self, signals: bytes) -> None:
        for number in signals:
            if number in STOPS and not self._is_orphan:  # an orphan's workers got the signal of its group themselves
                self._stops = True
                for pid in self._lines:
                    os.kill(pid, number)
        self._reap()

    def _listen(self, descriptor: int) -> None:
        pid = next((pid for pid, line in self._lines.items() if line.reading == descriptor), None)
        if pid is None:
            return  # reaped a moment ago
        for message in self._lines[pid].read():
            if not message:
                self._poll.unregister(descriptor)  # it ends
            elif message == SERVES and pid == self._starting:
                log.info("worker_replaced", by=pid)
                self._lines[self._serving].send(DRAIN)
                self._serving, self._starting = pid, 0
                self._pauses, self._causes = pauses(), LogThrottle()
            elif message.startswith(REPLACE) and pid == self._serving and not self._starting:
                self._wanted = message.removeprefix(REPLACE).decode()

    def _reap(self) -> None:
        while self._lines:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._forget(pid, _exit_code(status))
        os._exit(self._code)

    def _forget(self, pid: int, code: int) -> None:
        """Note the end of a worker; end this process with it, unless another one serves."""
        line = self._lines.pop(pid)
        with suppress(KeyError):
            self._poll.unregister(line.reading)
        line.close()
        if pid == self._starting:
            self._starting = 0
            self._postpone(f"the replacement ended with code {code} before it served")
        elif pid == self._serving:
            self._code, self._serving, self._starting = code, self._starting, 0
            if not self._serving and not self._stops:
                os._exit(code)

    def _postpone(self, problem: str) -> None:
        self._retry_at = time.monotonic() + next(self._pauses)
        if times := self._causes.count(problem):
            log.warning("worker_not_replaced", detail=problem, times=times)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Leave the signal to the descriptor that it wakes."""


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
