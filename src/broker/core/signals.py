"""Signal handlers: requests to stop a process, and those that its forked children must not inherit."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from functools import cache
from types import FrameType

#: seconds in which several signals are one request: at the death of a parent the kernel sends one for each of its threads
TOGETHER_S = 2.0
#: signals that were blocked in a thread before its fork
_before = threading.local()


class StopSignals:
    """Handles these signals from now on; call it in the main thread. The kernel may deliver several at once, each to any thread.

    The handler takes no lock: a second signal may interrupt it, and `threading.Event.set()` would then wait for itself for ever.
    It runs only once the main thread wakes, which a signal that the kernel delivers to another thread does not cause.
    So the wait is for a pipe, to which the interpreter writes each signal at once.

    `exit_code`: that of the process that gets a second request more than TOGETHER_S seconds after the first; None: ignore it.
    """

    def __init__(self, numbers: Collection[signal.Signals] = (signal.SIGTERM, signal.SIGINT), *, exit_code: int | None = None) -> None:
        self._first_at: float | None = None
        self._exit_code = exit_code
        self._writing = -1
        for number in numbers:
            signal.signal(number, self._on_signal)

    def wait(self) -> None:
        """Wait for a request, in the main thread."""
        reading = self._pipe()
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._wait(reading)

    def call(self, stop: Callable[[], None]) -> None:
        """Call `stop` at the first request, in a thread of its own. For a main thread that wakes by itself now and then."""
        threading.Thread(target=self._wait_and_call, args=(self._pipe(), stop), name="stop-signals", daemon=True).start()

    def _wait_and_call(self, reading: int, stop: Callable[[], None]) -> None:
        self._wait(reading)
        stop()

    def _pipe(self) -> int:
        # Not before: a process that is forked until then waits for its own signals.
        reading, self._writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._writing, False)
        return reading

    def _wait(self, reading: int) -> None:
        while self._first_at is None:
            os.read(reading, 4096)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._first_at is None:
            self._first_at = time.monotonic()
            if self._writing >= 0:
                os.write(self._writing, b"\0")
        elif self._exit_code is not None and time.monotonic() - self._first_at > TOGETHER_S:
            sys.exit(self._exit_code)


@cache  # once in a process
def reset_in_children() -> None:
    """Reset signal handlers to Python's defaults in every child that this process forks from now on, in any thread.

    An actor's `multiprocessing.Pool` must not inherit those of the process that runs the actor. Otherwise a child
    treats SIGTERM as a request for a graceful stop and goes on: `Pool.terminate()`, and then the whole worker, would
    wait for it without limit.
    """
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_reset)


def _block() -> None:
    # Until its handlers are reset the child would swallow a signal: a pool terminated right after the fork would wait for it for ever.
    _before.blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _before.blocked)


def _reset() -> None:
    signal.set_wakeup_fd(-1)
    faulthandler.unregister(signal.SIGUSR2)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _unblock()
