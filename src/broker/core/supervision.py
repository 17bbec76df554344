"""Supervised threads: the threads that a process cannot do without, and whether each one lives and makes progress.

In a worker the pulse thread looks at every beat, and the lease thread looks at the pulse thread; in a scheduler the guard looks.
A process in which one has ended or stands still is replaced: it would go on renewing its lease while its jobs get no further.
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

#: seconds of one look that count at most: a process that was suspended must not take its own pause for its threads'
LOOK_LIMIT_S = 1.0
#: seconds between two looks of a guard
LOOK_S = 0.5
#: exit code of a process that its guard ends: its supervisor starts a fresh one
GUARDED = 70


class Progress:
    """Steps of one thread. Only that thread writes; `waits` marks that it has nothing to do and may stand still."""

    __slots__ = ("is_waiting", "steps")

    def __init__(self) -> None:
        self.steps = 0
        self.is_waiting = False

    def step(self) -> None:
        """Note that the thread has got further; an unforeseen error is no step."""
        self.is_waiting = False
        self.steps += 1

    def waits(self) -> None:
        """Note that the thread waits for work."""
        self.is_waiting = True
        self.steps += 1


class Supervised(NamedTuple):
    """One thread to look at; without `progress` only its death is noticed."""

    name: str
    thread: threading.Thread
    progress: Progress | None = None
    limit_s: float | None = None  # seconds that it may stand still; None: CALLBOARD_STUCK_AFTER


class VitalThreads:
    """Looks at the threads that `find` lists. Call `look` from one thread only, at even intervals."""

    def __init__(self, find: Callable[[], Iterable[Supervised]]) -> None:
        self._find = find
        self._seen: dict[threading.Thread, tuple[int, float]] = {}  # thread -> steps at the last look, seconds without one
        self._question: _Question | None = None

    def look(self, elapsed_s: float) -> tuple[str, str] | None:
        """The name of a thread that is gone or stands still, and what is wrong with it; None: all of them work."""
        seen: dict[threading.Thread, tuple[int, float]] = {}
        still: tuple[str, str] | None = None
        for name, thread, progress, limit_s in self._find():
            if not thread.is_alive():
                return name, "has ended"
            if progress is None:
                continue
            steps, still_s = self._seen.get(thread, (progress.steps, 0.0))
            moved = progress.is_waiting or steps != progress.steps
            still_s = 0.0 if moved else still_s + min(elapsed_s, LOOK_LIMIT_S)
            seen[thread] = progress.steps, still_s
            if still_s >= (limit_s or get_settings().stuck_after):
                still = name, f"has made no progress for {still_s:.0f} s"
        self._seen = seen
        if still is None:
            self._question = None  # an earlier answer proves nothing
            return None
        return still if self._sql_answers() else None

    def _sql_answers(self) -> bool:
        """True if SQL answers a new question. A thread that waits for a hanging database is not at fault; another process would wait as well."""
        if self._question is None or self._question.is_over:
            self._question = _Question()
        return self._question.is_answered


class Guard:
    """The thread `guard` of a scheduler: ends the process when one of its vital threads has ended or makes no progress."""

    def __init__(self, find: Callable[[], Iterable[Supervised]], *, end: Callable[[int], object] = os._exit) -> None:
        self._vital = VitalThreads(find)
        self._end = end
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._closing.wait(LOOK_S):
            elapsed_s, looked = time.monotonic() - looked, time.monotonic()
            lost = self._vital.look(elapsed_s)
            if lost is not None and not self._closing.is_set():
                log.critical("scheduler_thread_lost", thread=lost[0], detail=f"it {lost[1]}", cure="its supervisor starts a fresh process")
                self._end(GUARDED)
                return


class _Question:
    """One statement on a thread of its own, since it may take for ever."""

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
