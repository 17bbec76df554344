"""Stop signals: requests to stop that may come several at once, at any instruction of the main thread."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from queue import SimpleQueue
from types import FrameType

#: seconds in which several signals are one request: at the death of a parent the kernel sends one for each of its threads
TOGETHER_S = 2.0


class StopSignals:
    """Handles these signals from now on; call it in the main thread.

    The handler takes no lock. A signal may interrupt the handler of the one before, or the wait for it, while that
    holds its lock: `threading.Event.set()` would then wait for itself for ever. `SimpleQueue.put()` may be interrupted.

    `exit_code`: that of the process that gets a second request more than TOGETHER_S seconds after the first; None: ignore it.
    """

    def __init__(self, numbers: Collection[signal.Signals] = (signal.SIGTERM, signal.SIGINT), *, exit_code: int | None = None) -> None:
        self._requests: SimpleQueue[None] = SimpleQueue()
        self._first_at: float | None = None
        self._exit_code = exit_code
        for number in numbers:
            signal.signal(number, self._on_signal)

    def wait(self) -> None:
        """Wait for a request."""
        self._requests.get()

    def call(self, stop: Callable[[], None]) -> None:
        """Call `stop` at the first request, in a thread of its own."""
        threading.Thread(target=self._wait_and_call, args=(stop,), name="stop-signals", daemon=True).start()

    def _wait_and_call(self, stop: Callable[[], None]) -> None:
        self.wait()
        stop()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._first_at is None:
            self._first_at = time.monotonic()
            self._requests.put(None)
        elif self._exit_code is not None and time.monotonic() - self._first_at > TOGETHER_S:
            sys.exit(self._exit_code)
