"""The one clock of all processes: now(), corrected on PostgreSQL to the database's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from ..locks import ProcessLock

#: a timestamp further ahead than this was written before the clock was set back: clocks of different hosts differ by less
SET_BACK = timedelta(seconds=5)
#: seconds between two readings of PostgreSQL's clock by a process that uses the database
READ_CLOCK_S = 60.0
#: seconds until the next reading after a failed one
READ_CLOCK_AGAIN_S = 5.0
#: seconds by which wall clock and monotonic clock may drift apart before the wall clock counts as changed
CLOCK_SET_S = 0.25


class Clock:
    """The one source of now(): the host's clock, corrected on PostgreSQL to the database's.

    Between two readings time advances with the host's monotonic clock, so setting the host's clock has no effect.
    """

    def __init__(self) -> None:
        self.offset = timedelta(0)
        self._lock = ProcessLock()
        self._then: tuple[float, float] | None = None  # last values of (wall clock, monotonic clock); None: use the host's clock as it is
        self._due_at = 0.0

    def now(self) -> datetime:
        if self._then is not None:
            self._take_out_jumps(self._then)
        return datetime.now(UTC) + self.offset

    @property
    def is_read(self) -> bool:
        """True if the database's clock has been read."""
        return self._then is not None

    @property
    def is_due(self) -> bool:
        """True if the database's clock should be read (again)."""
        return time.monotonic() >= self._due_at

    def postpone(self) -> None:
        """Postpone the next reading by a few seconds."""
        self._due_at = time.monotonic() + READ_CLOCK_AGAIN_S

    def follow(self, offset: timedelta) -> None:
        """Use the offset that another process of this host has just measured."""
        self.offset, self._then, self._due_at = offset, (time.time(), _running()), time.monotonic() + READ_CLOCK_S

    def _take_out_jumps(self, then: tuple[float, float]) -> None:
        wall_then, running_then = then
        before, wall, after = _running(), time.time(), _running()
        jump = (wall - wall_then) - (before - running_then)
        if abs(jump) < CLOCK_SET_S or after - before > CLOCK_SET_S / 10:  # or this thread was not scheduled between the two readings
            return
        with self._lock:
            if self._then is then:
                self.offset -= timedelta(seconds=jump)
                self._then = (wall, before)

    def correct(self, database_now: datetime, asked_at: datetime, answered_at: datetime) -> None:
        """Set the offset from one reading of the database's clock, taken between two readings of ours.

        Ignore a reading that agrees with the present offset within its error: following the error would make time jump
        back and forth.
        """
        error = (answered_at - asked_at) / 2
        offset = database_now - (asked_at + error)
        known = self.offset if self._then is None else self.now() - datetime.now(UTC)  # without changes of the wall clock since then
        self.follow(offset if abs(offset - known) > error else known)


def _running() -> float:
    """Seconds on a clock that cannot be set and that goes on while the host sleeps."""
    return time.clock_gettime(_RUNNING)


_RUNNING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
clock = Clock()


def now() -> datetime:
    """The present instant, aware and in UTC, by the clock that all processes share."""
    return clock.now()
