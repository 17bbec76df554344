"""Database outages: which errors a retry can cure, and rate-limited logging of repeated ones."""

from __future__ import annotations

import sqlite3
import sys
import time
from typing import Any, NamedTuple

from sqlalchemy import exc
from sqlalchemy.exc import DBAPIError

#: prefixes of SQLSTATEs that a retry or another server cures: connection failure, authentication, serialization failure or deadlock,
#: insufficient resources, shutdown or cancel, system error; also read-only, idle-in-transaction timeout, lock not available, snapshot too
#: old
_OUTAGES = ("08", "28", "3D", "40", "53", "57", "58", "25006", "25P03", "25P04", "55P03", "72000")
_SQLITE_OUTAGES = (
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA,
)  # fmt: skip


class SharedConnection(exc.SQLAlchemyError):
    """A pooler shares server connections (src/sql/pooling.py). No outage: the message names the cure."""


def took_too_long(error: BaseException) -> bool:
    """True if PostgreSQL has ended the statement because it took longer than `statement_timeout`."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == "57014"


def is_outage(error: BaseException) -> bool:
    """True if the database is away, read-only, full, locked or restarting, so that a retry may succeed.

    The exception's class is not enough: psycopg raises OperationalError for a statement that is too complex and
    InternalError for a read-only server; sqlite3 raises the same class for a missing table and a full disk.
    """
    if isinstance(error, exc.TimeoutError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return True
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        return getattr(original, "sqlite_errorcode", 0) & 0xFF in _SQLITE_OUTAGES
    state = getattr(original, "sqlstate", None)
    if state is None:  # not raised by the server
        psycopg = sys.modules.get("psycopg")  # 8 MB, which SQLite does not need: an error of a driver that is not imported is none of its
        return psycopg is not None and isinstance(original, psycopg.OperationalError | psycopg.InterfaceError)
    return str(state).startswith(_OUTAGES)


#: seconds until the same outage is logged again
AGAIN_S = 60.0
#: seconds without an occurrence after which an outage is over, also where `outage_over` is not called
QUIET_S = 30.0


class _Noted(NamedTuple):
    """A logged outage."""

    cause: str
    logged_at: float
    seen_at: float  # its newest occurrence
    repeats: int  # occurrences since it was logged


_noted: dict[str, _Noted] = {}


def log_outage(log: Any, event: str, error: BaseException, **fields: Any) -> None:
    """Log an outage once per cause, then once a minute with the number of occurrences since.

    The next one after half a minute without an occurrence is logged as new.
    """
    original = getattr(error, "orig", None) or error
    cause = f"{type(original).__name__} {getattr(original, 'sqlstate', None) or ''}".rstrip()
    present, noted = time.monotonic(), _noted.get(event)
    if noted is not None and (noted.cause != cause or present >= noted.seen_at + QUIET_S):
        noted = None
    if noted is not None and present < noted.logged_at + AGAIN_S:
        _noted[event] = noted._replace(seen_at=present, repeats=noted.repeats + 1)
        return
    _noted[event] = _Noted(cause, present, present, 0)
    again = {"count": noted.repeats + 1} if noted is not None and noted.repeats else {}
    log.warning(event, detail=f"{cause}: {' '.join(str(original).split())[:200]}", **fields, **again)


def outage_over(event: str) -> None:
    """Reset an outage after the failed work has succeeded: the next one is logged as new."""
    _noted.pop(event, None)
