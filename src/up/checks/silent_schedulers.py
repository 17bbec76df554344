"""Silent schedulers: those of this host whose process lives but whose heartbeat in SQL has run out, because it stands still."""

from __future__ import annotations

import socket
import threading
from collections import Counter

from sqlalchemy import select

from ...jobs.core.models import Heartbeat
from ...sql.clock import now
from ...sql.database import Database

#: seconds between two looks of the supervisor
LOOK_S = 5.0
#: looks in a row after which it replaces a silent scheduler: longer than any wait for a database that is slow
REPLACE_AFTER = 12


def silent_pids(database_url: str) -> set[int]:
    """The process ids of this host whose newest heartbeat has run out without a sign-off; none where SQL does not answer."""
    database = Database(database_url, pool_size=1)
    try:
        if not database.is_there():
            return set()
        with database.read() as session:
            mine = select(Heartbeat).where(Heartbeat.host == socket.gethostname()).order_by(Heartbeat.id)
            newest = {each.pid: each for each in session.execute(mine).scalars()}  # a number may have been another's before
            return {pid for pid, each in newest.items() if each.stopped_at is None and each.expires_at <= now()}
    except Exception:  # noqa: BLE001 - whatever it is, SQL does not answer, and says nothing of a process
        return set()
    finally:
        database.engine.dispose()


class SilentSchedulers:
    """The thread `silence` of a supervisor: how often in a row each process was found silent. SQL that is away keeps only it waiting."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._found: Counter[int] = Counter()
        self._closing = threading.Event()
        threading.Thread(target=self._run, name="silence", daemon=True).start()

    def close(self) -> None:
        self._closing.set()

    def is_long(self, pid: int) -> bool:
        """Has this process been silent at so many looks in a row that it must be replaced?"""
        return self._found[pid] >= REPLACE_AFTER

    def look(self) -> None:
        """Look once."""
        silent = silent_pids(self._database_url)
        self._found = Counter({pid: self._found[pid] + 1 for pid in silent})

    def _run(self) -> None:
        while not self._closing.wait(LOOK_S):
            self.look()
