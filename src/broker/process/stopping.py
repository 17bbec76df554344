"""Bounded shutdown of a worker process: graceful at first, then by force, with everything that its actors have started."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from ...logs import get_logger
from ..isolate import process_tree
from .status_page import StatusPage

log = get_logger(__name__)

#: seconds beyond its actors' time in which a stopping worker hands back its jobs and signs off
LEEWAY_S = 8.0


class Stopping:
    """Bounds the `stop` of one Dramatiq Worker; any thread may call it, and only the first call counts."""

    def __init__(self, worker: Any, status_page: StatusPage) -> None:
        self._stop: Callable[..., None] = worker.stop
        self._status_page = status_page
        self._turn = threading.Lock()
        self._has_stopped = False
        worker.stop = self.stop

    def stop(self, timeout: float = 600_000, *, leeway_s: float | None = None) -> None:
        """Let running actors finish for at most `timeout` milliseconds, and hand back the rest.

        The steps after that are bounded too: Python waits without limit for processes that an actor has left behind.
        """
        seconds = timeout / 1000 + (LEEWAY_S if leeway_s is None else leeway_s)
        threading.Thread(target=self._end_after, args=[seconds], name="last resort", daemon=True).start()
        with self._turn:
            if not self._has_stopped:
                self._stop(timeout=timeout)
            self._has_stopped = True

    def end_now(self) -> None:
        """End the process. It is its own decision, so not a crash of the jobs in its threads."""
        self._status_page.clear_attempts()
        process_tree.kill_below(os.getpid(), but=self._status_page.watchdog_pid)
        os._exit(1)

    def _end_after(self, seconds: float) -> None:
        time.sleep(seconds)
        log.error("worker_does_not_end", seconds=seconds)
        self.end_now()
