"""Status page: one page of shared memory that outlives this process and is read by its watchdog.

It holds a pulse that only a live interpreter can advance, and the attempts now running in threads.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ...logs import get_logger
from ...settings import get_settings
from ..core.log_throttle import LogThrottle
from ..core.supervision import Supervised
from . import death_report, watchdog
from .watchdog import CHECKS, CHECKS_AT, HEADER, SLOT, SLOTS_AT

log = get_logger(__name__)

_PACKAGE = __name__.partition(".")[0]

#: seconds between two beats, and between two checks of the watchdog itself
BEAT_S = 0.5
CHECK_AFTER_BEATS = 10
#: checks after which a watchdog that has not advanced its own count is replaced
HANGS = 2
#: threads that fit on a page; others are not blamed for a crash
THREADS = 255


class StatusPage:
    """This process's page and its watchdog. Without memfd (not Linux) the page has no reader."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("callboard-status") if hasattr(os, "memfd_create") else -1
        size = SLOTS_AT + SLOT.size * THREADS
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, size)
        self._page = mmap.mmap(self._descriptor, size)
        self._slots: dict[int, int] = {}  # thread ident -> slot on the page
        self._lock = threading.Lock()
        self._worker_id = 0
        self._signed_off = 0
        self._beats = 0
        self._closing = threading.Event()
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._watchdog_checks, self._watchdog_hangs = 0, 0  # its count when last looked at, and how often that was the same
        self._causes = LogThrottle()
        self._check: Callable[[float], None] = lambda _elapsed_s: None
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    @property
    def is_beating(self) -> bool:
        return self._thread.is_alive()

    @property
    def watchdog_pid(self) -> int | None:
        return None if self._watchdog is None else self._watchdog.pid

    def threads(self) -> list[Supervised]:
        """Return the threads that this process cannot do without."""
        return [Supervised("pulse", self._thread)]

    def start(self, check: Callable[[float], None]) -> None:
        """Start the pulse and the watchdog. `check` is called at each beat with the seconds since the previous one."""
        self._check = check
        self._beat()
        if self._descriptor >= 0:
            # Written from C, without the interpreter: every thread's stack, when the watchdog asks or a library crashes.
            faulthandler.enable(file=2)
            faulthandler.register(signal.SIGUSR2, file=2, all_threads=True)
        self._watch()
        self._thread.start()

    def know(self, worker_id: int) -> None:
        """Record the id of this worker's row."""
        self._worker_id = worker_id
        self._beat()

    def sign_off(self) -> None:
        """Record that this process shuts down gracefully; its watchdog stays until it has ended."""
        self._signed_off = 1
        self._closing.set()
        self._beat()

    def clear_attempts(self) -> None:
        """Record that this process ends on its own decision: its death does not count as a crash of its jobs."""
        self._page[SLOTS_AT:] = bytes(len(self._page) - SLOTS_AT)

    def enter(self, seq: int, attempt: int) -> None:
        """Record that the calling thread runs this attempt."""
        place = self._slots.get(threading.get_ident())
        if place is None:
            place = self._new_slot()
        if place:
            SLOT.pack_into(self._page, place, seq, attempt)

    def leave(self) -> None:
        """Record that the calling thread is idle."""
        place = self._slots.get(threading.get_ident())
        if place:
            SLOT.pack_into(self._page, place, 0, 0)

    def _new_slot(self) -> int:
        with self._lock:
            place = SLOTS_AT + SLOT.size * len(self._slots) if len(self._slots) < THREADS else 0
            self._slots[threading.get_ident()] = place
            return place

    def _run(self) -> None:
        checked_at = time.monotonic()
        while not self._closing.wait(BEAT_S):
            self._beat()
            elapsed_s, checked_at = time.monotonic() - checked_at, time.monotonic()
            try:
                self._check(elapsed_s)
                if self._beats % CHECK_AFTER_BEATS == 0:
                    self._keep_watched()
            except Exception:
                log.exception("pulse_failed")  # the next beat checks again

    def _keep_watched(self) -> None:
        if self._watchdog is not None:
            code = self._watchdog.poll()
            if code == 0:
                return  # it cannot work here: a kernel without pidfds
            if code is None:
                if not self._watchdog_stands_still():
                    return
                self._watchdog.kill()
                code = self._watchdog.wait()
            log.warning("watchdog_gone", code=code)
        self._watch()

    def _watchdog_stands_still(self) -> bool:
        [checks] = CHECKS.unpack_from(self._page, CHECKS_AT)
        self._watchdog_hangs = self._watchdog_hangs + 1 if checks == self._watchdog_checks else 0
        self._watchdog_checks = checks
        return self._watchdog_hangs >= HANGS

    def _beat(self) -> None:
        self._beats += 1
        HEADER.pack_into(self._page, 0, self._beats, self._worker_id, self._signed_off)

    def _watch(self) -> None:
        if self._descriptor < 0:
            return
        self._watchdog_hangs = 0
        program = str(Path(watchdog.__file__))
        limit = str(get_settings().watchdog_after)
        # The actors first: they connect the hooks that a lost job may need.
        report = [sys.executable, "-c", f"import {_PACKAGE}.actors; from {death_report.__name__} import main; main()"]
        try:
            self._watchdog = subprocess.Popen(
                [sys.executable, "-I", "-S", program, str(self._descriptor), str(os.getpid()), limit, *report],
                pass_fds=[self._descriptor],
                stdin=subprocess.DEVNULL,
            )
            self._causes.over("no_watchdog")
        except OSError as error:
            # retried at one of the next beats; until then the lease protects the jobs, and only a hang goes undetected
            self._watchdog = None
            if times := self._causes.count("no_watchdog"):
                log.warning("no_watchdog", detail=str(error), times=times)
