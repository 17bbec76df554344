"""Supervised threads: the threads that a process depends on, and whether each is alive and makes progress.

In a worker the pulse thread checks them at every beat, and the lease thread checks the pulse thread; in a scheduler the
guard does. A process in which one has ended or hangs is replaced: otherwise it would keep renewing its lease while its
jobs make no progress.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sqlalchemy import text

from ...logs import get_logger
from ...settings import get_settings
from ...sql.database import read

log = get_logger(__name__)

#: seconds of one check that count at most: a suspended process must not mistake its own pause for its threads'
CHECK_LIMIT_S = 1.0
#: seconds between two checks of a guard
CHECK_S = 0.5
#: exit code of a process that its guard ends: its supervisor starts a new one
GUARDED = 70


class Progress:
    """Progress of one thread. Only that thread writes; `waits` marks that it is idle and may stand still."""

    __slots__ = ("is_waiting", "steps", "wait_s")

    def __init__(self) -> None:
        self.steps = 0
        self.is_waiting = False
        self.wait_s = float("inf")

    def step(self) -> None:
        """Record that the thread has made progress; an unforeseen error is not progress."""
        self.is_waiting = False
        self.steps += 1

    def waits(self, at_most_s: float = float("inf")) -> None:
        """Record that the thread waits for work, or for its next turn in at most so many seconds."""
        self.wait_s = at_most_s
        self.is_waiting = True
        self.steps += 1


class Supervised(NamedTuple):
    """One thread to check; without `progress` only its death is detected."""

    name: str
    thread: threading.Thread
    progress: Progress | None = None
    limit_s: float | None = None  # seconds without progress that are allowed; None: CALLBOARD_STUCK_AFTER
    has_work: Callable[[], bool] | None = None  # True while work waits for it: then an idle thread must not stand still

    def allowed_s(self) -> float:
        """Return the seconds that the thread may stand still now."""
        limit_s = get_settings().stuck_after if self.limit_s is None else self.limit_s
        assert self.progress is not None, "a thread without progress has no limit"
        if self.progress.is_waiting and not (self.has_work and self.has_work()):
            return limit_s + self.progress.wait_s
        return limit_s


class VitalThreads:
    """Checks the threads that `find` lists. Call `check` from one thread only, at even intervals."""

    def __init__(self, find: Callable[[], Iterable[Supervised]]) -> None:
        self._find = find
        self._seen: dict[threading.Thread, tuple[int, float]] = {}  # thread -> (steps at the last check, seconds without one)
        self._question: _Question | None = None

    def check(self, elapsed_s: float) -> tuple[str, str] | None:
        """Return the name of a thread that has ended or hangs, and the problem; None: all of them work."""
        seen: dict[threading.Thread, tuple[int, float]] = {}
        still: tuple[str, str] | None = None
        for each in self._find():
            if not each.thread.is_alive():
                return each.name, "has ended"
            if each.progress is None:
                continue
            steps, still_s = self._seen.get(each.thread, (each.progress.steps, 0.0))
            still_s = still_s + min(elapsed_s, CHECK_LIMIT_S) if steps == each.progress.steps else 0.0
            allowed_s = each.allowed_s()
            if allowed_s == float("inf"):
                still_s = 0.0  # work that arrives now gets the whole limit
            seen[each.thread] = each.progress.steps, still_s
            if still_s >= allowed_s:
                still = each.name, f"has made no progress for {still_s:.0f} s"
        self._seen = seen
        if still is None:
            self._question = None  # an earlier answer proves nothing
            return None
        return still if self._sql_answers() else None

    def _sql_answers(self) -> bool:
        """True if SQL answers a new query. A thread that waits for a hanging database is not at fault; a new process would wait as well."""
        if self._question is None or self._question.is_over:
            self._question = _Question()
        return self._question.is_answered


class Guard:
    """The thread `guard` of a scheduler: ends the process if one of its vital threads has ended or makes no progress.

    The clock calls `check` at each turn, so that the guard itself is supervised.
    """

    def __init__(self, find: Callable[[], Iterable[Supervised]], *, end: Callable[[int], object] = os._exit) -> None:
        self._vital = VitalThreads(find)
        self._end = end
        self._closing = threading.Event()
        self._progress = Progress()
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
        self._itself = VitalThreads(lambda: [Supervised("guard", self._thread, self._progress)])
        self._checked_at = time.monotonic()

    def start(self) -> None:
        self._checked_at = time.monotonic()
        self._thread.start()

    def close(self) -> None:
        self._closing.set()

    def check(self) -> bool:
        """End the process if the guard has ended or makes no progress: True. Call it from one thread only."""
        elapsed_s, self._checked_at = time.monotonic() - self._checked_at, time.monotonic()
        return self._ends_without(self._itself.check(elapsed_s))

    def _run(self) -> None:
        checked_at = time.monotonic()
        while not self._closing.wait(CHECK_S):
            self._progress.step()
            elapsed_s, checked_at = time.monotonic() - checked_at, time.monotonic()
            if self._ends_without(self._vital.check(elapsed_s)):
                return

    def _ends_without(self, lost: tuple[str, str] | None) -> bool:
        if lost is None or self._closing.is_set():
            return False
        thread, problem = lost
        log.critical("scheduler_thread_lost", thread=thread, detail=f"it {problem}", cure="its supervisor starts a fresh process")
        self._end(GUARDED)
        return True


class _Question:
    """One query on a thread of its own, since it may never return."""

    def __init__(self) -> None:
        self.is_answered = False
        self._thread = threading.Thread(target=self._ask, name="sql question", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive() and not self.is_answered

    def _ask(self) -> None:
        try:
            with read() as session:
                session.execute(text("SELECT 1"))
            self.is_answered = True
        except Exception as error:  # noqa: BLE001 - whatever it is, SQL does not answer
            log.warning("sql_does_not_answer", detail=type(error).__name__)
