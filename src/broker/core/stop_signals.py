"""Stop signals: requests to stop, in whichever thread and however many at once the kernel delivers them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from types import FrameType

#: seconds in which several signals are one request: at the death of a parent the kernel sends one for each of its threads
TOGETHER_S = 2.0


class StopSignals:
    """Handles these signals from now on; call it in the main thread.

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
