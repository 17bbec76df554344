"""A process that others depend on shows that it lives: a heartbeat in SQL by its own thread, and a guard over its threads.

A thread that stands still writes no heartbeat, which every other process sees. The guard ends a process that has lost a thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable

from src.broker import publisher
from src.broker.vital_threads import Supervised, VitalThreads
from src.database import write
from src.jobs import heartbeats
from src.jobs.heartbeats import Role
from src.logs import get_logger
from src.settings import get_settings

log = get_logger(__name__)

#: seconds between two looks of a guard
LOOK_S = 0.5
#: exit code of a process that its guard ends: its supervisor starts a fresh one
GUARDED = 70


class Beat:
    """The heartbeat of one thread, which calls `beat` at each of its turns."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self._id = 0
        self._due = 0.0

    def beat(self) -> None:
        """Renew the heartbeat if it is time; raises what the database does."""
        present = time.monotonic()
        if present < self._due:
            return
        with write() as session:
            self._id = heartbeats.beat(session, self._id, self.role, lease_s=get_settings().lease_duration, broker=publisher.trouble())
        self._due = present + get_settings().heartbeat_interval

    def sign_off(self) -> None:
        """Note the end in good order; without SQL the heartbeat runs out by itself."""
        if not self._id:
            return
        try:
            with write() as session:
                heartbeats.sign_off(session, self._id)
        except Exception as error:  # noqa: BLE001 - the process ends all the same
            log.warning("sign_off_failed", detail=type(error).__name__)


class Guard:
    """The thread `guard` of a scheduler: looks at its vital threads, and ends the process when one is gone or stands still."""

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
