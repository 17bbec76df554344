"""Connection poolers: detect one that lends a server's connection to other clients between two transactions.

Prepared statements, notifications, settings and the locks of migrations belong to a server's connection. A pooler that
shares it, as PgBouncer in transaction mode, would give them to other clients.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors

from .half_open import WatchfulConnection
from .outages import SharedConnection

#: times that both connections are asked for their server process: other clients may take the one that was free
LOOKS = 5


def refuse_sharing(connection: WatchfulConnection) -> None:
    """Raise SharedConnection if another client gets the server process of this idle connection."""
    if _is_shared(connection):
        raise SharedConnection(
            f"{connection.info.host}:{connection.info.port} is a connection pooler that shares server connections between transactions"
            " (PgBouncer: pool_mode = transaction or statement). Callboard keeps prepared statements, notifications and settings on its"
            " connections: set pool_mode = session for this database, or let CALLBOARD_DATABASE_URL lead to PostgreSQL itself"
        )


def _is_shared(connection: WatchfulConnection) -> bool:
    with suppress(psycopg.OperationalError, errors._WaitTimeout), connection.beside() as other:  # a full pool: each has its own
        mine, others = {_process(connection)}, set()
        for _ in range(LOOKS):
            others.add(_process(other))
            mine.add(_process(connection))
            if mine & others or len(mine) > 1 or len(others) > 1:
                return True
    return False


def _process(connection: psycopg.Connection[Any]) -> int:
    """Return the server process of one transaction."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    connection.commit()
    assert row is not None
    return int(row[0])
