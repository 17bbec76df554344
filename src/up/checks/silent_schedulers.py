"""Silent schedulers: processes of this host that live but whose heartbeat in SQL has expired, because they hang."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select

from ...jobs.core.models import Heartbeat
from ...sql.clock import now
from ...sql.database import Database

#: seconds between checks
LOOK_S = 5.0
#: silent checks in a row before a scheduler is replaced: longer than any wait for a slow database
REPLACE_AFTER = 12
#: seconds that a pause waits for the check under way
PAUSE_S = 1.0


def silent_pids(database_url: str) -> set[int]:
    """Process ids of this host whose newest heartbeat expired without a sign-off; empty if the database is unreachable."""
    return _silent_in(Database(database_url, pool_size=1))


def _silent_in(database: Database) -> set[int]:
    try:
        if not database.exists():
            return set()
        database.check_clock()
        with database.read() as session:
            # Columns, not objects: the supervisor would keep the memory that these take.
            mine = select(Heartbeat.pid, Heartbeat.stopped_at, Heartbeat.expires_at).where(Heartbeat.host == socket.gethostname())
            newest = {each.pid: each for each in session.execute(mine.order_by(Heartbeat.id))}  # process ids are reused
            return {pid for pid, each in newest.items() if each.stopped_at is None and each.expires_at <= now()}
    except Exception:  # noqa: BLE001 - whatever it is, SQL does not answer, and says nothing of a process
        return set()
    finally:
        database.engine.dispose()


class SilentSchedulers:
    """Thread `silence` of the supervisor: counts silent checks in a row per process. An unreachable database blocks only this thread."""

    def __init__(self, database_url: str) -> None:
        self._database = Database(database_url, pool_size=1)
        self._found: Counter[int] = Counter()
        self._closing = threading.Event()
        self._looking = threading.Lock()
        threading.Thread(target=self._run, name="silence", daemon=True).start()

    def close(self) -> None:
        self._closing.set()

    def is_long(self, pid: int) -> bool:
        """True if this process was silent at enough checks in a row to be replaced."""
        return self._found[pid] >= REPLACE_AFTER

    @contextmanager
    def paused(self) -> Iterator[bool]:
        """Run no check in the block; yields False if one is under way and does not end."""
        is_paused = self._looking.acquire(timeout=PAUSE_S)
        try:
            yield is_paused
        finally:
            if is_paused:
                self._looking.release()

    def look(self) -> None:
        """Run one check."""
        silent = _silent_in(self._database)
        self._found = Counter({pid: self._found[pid] + 1 for pid in silent})

    def _run(self) -> None:
        while not self._closing.wait(LOOK_S):
            with self._looking:
                self.look()
