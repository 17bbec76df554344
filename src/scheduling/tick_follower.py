"""Tick follower: a thread that records outcomes of tick jobs, advances waiting jobs, and checks deadlines.

Each poll only reads. Findings are written in separate, idempotent transactions: other followers may have been faster.
"""

from __future__ import annotations

import random
import time

from ..broker.core.background import BackgroundLoop
from ..jobs.core.guards import guarded
from ..logs import get_logger
from ..schedules.rows import overlaps
from ..schedules.rows.makers import Maker
from ..schedules.ticks import outcomes
from ..sql.database import get_database, read, write

log = get_logger(__name__)

#: poll interval in seconds
LOOK_S = 1.0
#: seconds between checks of retried jobs, which may be many
REOPEN_S = 30.0


class Follower:
    """Turns of the follower thread. Tests call `run_once`."""

    def __init__(self, make: Maker) -> None:
        self._make = make
        self._reopened_at = float("-inf")

    def loop(self) -> BackgroundLoop:
        """Return the thread, which polls with jitter: the schedulers of a fleet must not poll in step."""
        return BackgroundLoop("follower", self.run_once, log, interval=lambda: LOOK_S * random.uniform(0.8, 1.2))

    def run_once(self) -> None:
        """Poll once and write the findings."""
        if time.monotonic() - self._reopened_at > REOPEN_S:
            self._reopened_at = time.monotonic()
            with write() as session:
                outcomes.reopen(session)
        if not get_database().direct.read(outcomes.has_news):
            return
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
