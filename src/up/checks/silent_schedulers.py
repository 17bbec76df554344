"""Silent schedulers: processes of this host that live but whose heartbeat in SQL has expired, because they hang."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy import select

from ...jobs.core.models import Heartbeat
from ...sql.clock import now
from ...sql.database import Database
from ..errors import UpError
from ..parts.apart import Apart

#: seconds between checks, and those that one may take
LOOK_S, LONGEST_S = 15.0, 60.0
#: silent checks in a row before a scheduler is replaced: longer than any wait for a slow database
REPLACE_AFTER = 4


def silent_pids(database_url: str) -> set[int]:
    """Process ids of this host whose newest heartbeat expired without a sign-off; empty if the database is unreachable."""
    database = Database(database_url, pool_size=1)
    try:
        if not database.exists():
            return set()
        database.check_clock()
        with database.read() as session:
            mine = select(Heartbeat.pid, Heartbeat.stopped_at, Heartbeat.expires_at).where(Heartbeat.host == socket.gethostname())
            newest = {each.pid: each for each in session.execute(mine.order_by(Heartbeat.id))}  # process ids are reused
            return {pid for pid, each in newest.items() if each.stopped_at is None and each.expires_at <= now()}
    except Exception:  # noqa: BLE001 - whatever it is, SQL does not answer, and says nothing of a process
        return set()
    finally:
        database.engine.dispose()


class SilentSchedulers:
    """Counts silent checks in a row per process. Each check is a call apart: an unreachable database blocks only that one."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._found: Counter[int] = Counter()
        self._call: Apart | None = None
        self._due_at = time.monotonic() + LOOK_S
        self._end_at = 0.0

    @property
    def pids(self) -> set[int]:
        """The process of a check."""
        return set() if self._call is None else self._call.pids

    def close(self) -> None:
        """End a check under way."""
        if self._call is not None:
            self._call.abandon()
            self._call = None

    def is_long(self, pid: int) -> bool:
        """True if this process was silent at enough checks in a row to be replaced."""
        return self._found[pid] >= REPLACE_AFTER

    def look(self) -> None:
        """Begin a check that is due, or take its result. Never blocks. Raises OSError if the system has no room for its process."""
        present = time.monotonic()
        if self._call is None:
            if present >= self._due_at:
                self._due_at, self._end_at = present + LOOK_S, present + LONGEST_S
                self._call = Apart(lambda: sorted(silent_pids(self._database_url)))
        elif self._call.is_over(0):
            call, self._call = self._call, None
            with suppress(UpError):  # it has died: the next one tells
                self.note(call.result())
        elif present > self._end_at:
            self.close()

    def note(self, silent: Iterable[int]) -> None:
        """Count the processes that were silent at a check."""
        self._found = Counter({pid: self._found[pid] + 1 for pid in silent})
