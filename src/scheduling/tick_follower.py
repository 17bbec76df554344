"""Tick follower: a thread that records outcomes of tick jobs, advances waiting jobs, and checks deadlines.

Each poll only reads. Findings are written in separate, idempotent transactions: other followers may have been faster.
"""

from __future__ import annotations

import random
import threading
import time

from ..broker.core.log_throttle import LogThrottle
from ..broker.core.supervision import Progress, Supervised
from ..jobs.core.guards import guarded
from ..logs import get_logger
from ..schedules.rows import overlaps
from ..schedules.rows.makers import Maker
from ..schedules.ticks import outcomes
from ..sql.database import read, write

log = get_logger(__name__)

#: poll interval in seconds
LOOK_S = 1.0
#: seconds between checks of retried jobs, which may be many
REOPEN_S = 30.0


class Follower:
    """The follower thread. Tests call `run_once`."""

    def __init__(self, make: Maker) -> None:
        self._make = make
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._progress = Progress()
        self._causes = LogThrottle()
        self._reopened_at = float("-inf")

    def start(self) -> None:
        self._thread.start()

    def threads(self) -> list[Supervised]:
        """The thread that the watchdog supervises."""
        return [Supervised("follower", self._thread, self._progress)]

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def run_once(self) -> None:
        """Poll once and write the findings."""
        if time.monotonic() - self._reopened_at > REOPEN_S:
            self._reopened_at = time.monotonic()
            with write() as session:
                outcomes.reopen(session)
        while True:
            with read() as session:
                ends = outcomes.ended(session)
            if not ends:
                break
            with write() as session:
                if not outcomes.note(session, ends, self._make):
                    break
        with read() as session:
            lines, overdue = overlaps.lines(session), outcomes.overdue(session)
        for id in lines:
            with guarded("line_not_moved_on", schedule_id=id), write() as session:
                overlaps.move_on(session, id)
        for id in overdue:
            with guarded("deadline_not_checked", schedule_id=id), write() as session:
                outcomes.check_deadline(session, id, self._make)

    def _run(self) -> None:
        while not self._closing.wait(LOOK_S * random.uniform(0.8, 1.2)):
            self._progress.step()
            try:
                self.run_once()
                self._causes.passed()
            except Exception as error:  # noqa: BLE001 - the next turn tries again
                self._causes.failed(log, error, waits="follower_waits_for_sql", broke="follower_failed")
