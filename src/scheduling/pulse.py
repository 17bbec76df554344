"""Pulse of the scheduler for the supervisor of `./run up`, which replaces a process without one."""

from __future__ import annotations

import os
import time
from contextlib import suppress

#: environment variable of the pipe into which it is written
DESCRIPTOR = "CALLBOARD_PULSE_FD"
#: least seconds between two bytes
EVERY_S = 1.0


class Pulse:
    """A byte a second into an inherited pipe, as long as the clock turns. Does nothing without a pipe."""

    def __init__(self) -> None:
        self._descriptor = int(os.environ.get(DESCRIPTOR, "-1"))
        self._due_at = 0.0
        if self._descriptor >= 0:
            os.set_blocking(self._descriptor, False)  # a supervisor that is stopped must not stop the scheduler

    def beat(self) -> None:
        if self._descriptor < 0 or time.monotonic() < self._due_at:
            return
        self._due_at = time.monotonic() + EVERY_S
        with suppress(OSError):  # the pipe is full, or the supervisor is gone
            os.write(self._descriptor, b".")
