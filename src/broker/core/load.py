"""Load of a worker process: the jobs it has claimed, and how many more it may claim.

Claiming ahead keeps the threads busy with short jobs; behind long ones, a claimed job would be shown as running while
it waits. So prefetching is bounded by time: about AHEAD_S seconds of work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from dramatiq.middleware.threading import Interrupt

from ...jobs.attempts.current_job import RunningJob

#: seconds of work that may be claimed ahead of the threads
AHEAD_S = 0.05
#: jobs that may be claimed ahead, however short they are
AHEAD_LIMIT = 400
#: jobs per thread from which claims wait until half of the room is free
MANY_PER_THREAD = 4
#: seconds until the place of a poison-job suspect that has not started is free again
SUSPECT_S = 1.0
#: seconds: jobs shorter than this on average get a deep prefetch, longer ones no more than the number of threads
SHORT_S = 0.05


class Started(Protocol):
    """A running attempt, as the load records it."""

    job: RunningJob
    delivery: Any
    started: float  # time.monotonic()

    is_notified: bool  # of a cancel

    def interrupt(self, kind: type[Interrupt]) -> bool: ...
    def say_where(self) -> None: ...


class _Suspect(NamedTuple):
    """The poison-job suspect that has the place, and since when, by time.monotonic()."""

    seq: int
    taken_at: float


class Load:
    """The count of claimed jobs of one process, shared by its consumers and threads."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.is_closing = False
        self.is_quiet = False  # an operator has paused new claims
        self.running: dict[int, Started] = {}  # thread ident -> attempt
        self.frontier: dict[str, int] = {}  # queue -> newest publication (microseconds) among what was claimed
        self.done = 0  # jobs that have left their threads since the start
        self._in_flight = 0
        self._suspect: _Suspect | None = None
        self._average_s = SHORT_S * 2
        self._lock = threading.Lock()
        self._hungry: dict[int, Callable[[], None]] = {}
        self._sleepers: dict[int, Callable[[], None]] = {}

    @property
    def takes(self) -> bool:
        """True unless the process is closing or quiet."""
        return not self.is_closing and not self.is_quiet

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def is_short(self) -> bool:
        """True if recent jobs have been so short that a deep prefetch pays."""
        return self._average_s < SHORT_S

    def reserve(self, wanted: int) -> int:
        """Reserve room for up to `wanted` jobs; return how many were granted.

        While jobs are short, none are granted that do not all fit until half of the room is free. Otherwise each claim would be
        for the few jobs that ended during the previous one, and a statement for few jobs costs nearly as much as one for hundreds.
        """
        with self._lock:
            target = self._target()
            room = target - self._in_flight
            waits = room < wanted and target >= MANY_PER_THREAD * self.threads and self._in_flight > target // 2
            granted = 0 if waits or not self.takes else max(0, min(wanted, room))
            self._in_flight += granted
            return granted

    def release(self, count: int) -> None:
        """Release room that was reserved and not used, or whose jobs have been handed back."""
        with self._lock:
            self._in_flight -= count
        self._feed()

    def finished(self, duration_s: float) -> None:
        """Record that a job has left its thread."""
        with self._lock:
            self._in_flight -= 1
            self.done += 1
            self._average_s += (duration_s - self._average_s) * 0.1
        if self._hungry:
            self._feed()

    def wake_when_hungry(self, key: int, wake: Callable[[], None]) -> None:
        """Call `wake` once when enough room is free to claim again."""
        self._hungry[key] = wake
        self._feed()

    def wake_on_change(self, key: int, wake: Callable[[], None]) -> None:
        """Call `wake` each time this process pauses, goes on or closes."""
        self._sleepers[key] = wake

    def forget(self, key: int) -> None:
        """Stop waking this consumer."""
        self._hungry.pop(key, None)
        self._sleepers.pop(key, None)

    def take_suspect(self, seq: int) -> bool:
        """Return whether this process may run this poison-job suspect, which has crashed workers before: one at a time."""
        with self._lock:
            known = self._suspect
            # A claim that failed after taking the place must not keep it: a suspect that does not run soon is forgotten.
            if known is not None and known.seq != seq and (self._is_running(known.seq) or time.monotonic() - known.taken_at < SUSPECT_S):
                return False
            self._suspect = _Suspect(seq, time.monotonic())
            return True

    def _is_running(self, seq: int) -> bool:
        return any(attempt.job.seq == seq for attempt in list(self.running.values()))

    def start(self, attempt: Started) -> None:
        self.running[threading.get_ident()] = attempt

    def stop(self) -> None:
        self.running.pop(threading.get_ident(), None)

    def overdue(self, after_s: float) -> list[Started]:
        """Return the attempts that have been running for longer than `after_s` seconds."""
        limit = time.monotonic() - after_s
        return [attempt for attempt in list(self.running.values()) if attempt.started < limit]

    def close(self) -> None:
        """Grant no more room."""
        self.is_closing = True
        self._wake_all()

    def be_quiet(self, wanted: bool, /) -> None:
        """Grant no room until this is reversed."""
        self.is_quiet = wanted
        self._wake_all()

    def _wake_all(self) -> None:
        self._feed(always=True)
        for wake in list(self._sleepers.values()):
            wake()

    def _target(self) -> int:
        ahead = self.threads * AHEAD_S / max(self._average_s, 1e-6)
        return self.threads + min(AHEAD_LIMIT, int(ahead))

    def _feed(self, *, always: bool = False) -> None:
        # Waking for each finished job would cost a system call per job: wait until half of the room is free, or a thread is idle.
        target = self._target()
        if always or self._in_flight < self.threads or self._in_flight <= target // 2:
            while self._hungry:
                try:
                    _, wake = self._hungry.popitem()
                except KeyError:
                    return
                wake()
