"""Silent schedulers: processes of this host that live but whose heartbeat in SQL has expired, because they hang."""

from __future__ import annotations

import socket

from sqlalchemy import select

from ...jobs.core.models import Heartbeat
from ...sql.clock import now
from ...sql.database import Database


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
