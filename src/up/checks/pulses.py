"""Pulses of schedulers: each writes a byte into its pipe every second, and one whose pipe stays empty hangs.

A pipe costs neither a process nor a query, and says nothing of SQL: a scheduler that waits for a database has a pulse.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ..parts.part import Process

#: seconds without a byte after which a scheduler is replaced: longer than any wait for a slow database
REPLACE_AFTER_S = 60.0
#: bytes read at once
MOST = 65_536


@dataclass(slots=True)
class _Pulse:
    descriptor: int
    seen_at: float | None = None  # None: it is starting, however long that takes


class Pulses:
    """The pipes of the schedulers of one supervisor, by process id."""

    def __init__(self, time_s: Callable[[], float] = time.monotonic) -> None:
        self._time_s = time_s
        self._pulses: dict[int, _Pulse] = {}

    def start(self, launch: Callable[[int], Process]) -> Process:
        """Launch a scheduler that writes into the descriptor, and follow it. Raises OSError."""
        pulse, pulses = os.pipe()
        try:
            process = launch(pulses)
        except BaseException:
            os.close(pulse)
            raise
        finally:
            os.close(pulses)
        os.set_blocking(pulse, False)
        self._pulses[process.pid] = _Pulse(pulse)
        return process

    def is_silent(self, pid: int) -> bool:
        """True if this process had a pulse, and has had none for a minute."""
        pulse = self._pulses.get(pid)
        if pulse is None:
            return False
        with suppress(BlockingIOError):
            if os.read(pulse.descriptor, MOST):
                pulse.seen_at = self._time_s()
        return pulse.seen_at is not None and self._time_s() - pulse.seen_at > REPLACE_AFTER_S

    def keep(self, pids: set[int]) -> None:
        """Forget all other processes."""
        for pid in self._pulses.keys() - pids:
            os.close(self._pulses.pop(pid).descriptor)
