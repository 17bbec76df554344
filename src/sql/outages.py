"""Outages of the database: which errors a retry can cure, and one log line a cause for those that repeat."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import psycopg
from sqlalchemy import exc
from sqlalchemy.exc import DBAPIError

#: beginnings of the SQLSTATEs that time or another server cures: no connection, no login, rolled back for another transaction, no
#: resources, shutting down or cancelled, a failing disk; read-only, timed out in a transaction, a lock not available, an old snapshot
_OUTAGES = ("08", "28", "3D", "40", "53", "57", "58", "25006", "25P03", "25P04", "55P03", "72000")
_SQLITE_OUTAGES = (
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA,
)  # fmt: skip


def is_outage(error: BaseException) -> bool:
    """True if the database is away, read-only, full, locked or restarting, so that the same work may succeed a moment later.

    The class of an exception does not say so: psycopg calls a statement that is too complex an OperationalError, and a
    read-only server an InternalError; sqlite3 calls a missing table as it calls a full disk.
    """
    if isinstance(error, exc.TimeoutError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return True
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        return getattr(original, "sqlite_errorcode", 0) & 0xFF in _SQLITE_OUTAGES
    state = getattr(original, "sqlstate", None)
    if state is None:  # it did not come from the server
        return isinstance(original, psycopg.OperationalError | psycopg.InterfaceError)
    return str(state).startswith(_OUTAGES)


#: seconds after which the same outage is logged again
AGAIN_S = 60.0
_noted: dict[str, tuple[str, float, int]] = {}  # event -> its cause, when it was logged, how often it has come since


def log_outage(log: Any, event: str, error: BaseException, **fields: Any) -> None:
    """Log an outage once a cause, and once a minute with the number of times that it has been met since."""
    original = getattr(error, "orig", None) or error
    cause = f"{type(original).__name__} {getattr(original, 'sqlstate', None) or ''}".rstrip()
    known, logged_at, count = _noted.get(event, ("", 0.0, 0))
    if known == cause and time.monotonic() < logged_at + AGAIN_S:
        _noted[event] = (known, logged_at, count + 1)
        return
    _noted[event] = (cause, time.monotonic(), 0)
    again = {"count": count + 1} if count and known == cause else {}
    log.warning(event, detail=f"{cause}: {' '.join(str(original).split())[:200]}", **fields, **again)


def outage_over(event: str) -> None:
    """Have the next outage that is logged as this event be a new one: the work that had failed was done."""
    _noted.pop(event, None)
