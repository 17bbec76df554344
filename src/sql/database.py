"""The SQL database: one engine per process, with write and read sessions.

SQLite (embedded, one host): WAL, synchronous=FULL, and BEGIN IMMEDIATE for every write transaction, so that two writers
wait for each other instead of failing half-way. PostgreSQL (several hosts): psycopg 3. The code that opens a session
commits it: `with write() as session:` commits at the end of the block.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from ..configuration.database_url import parse
from ..locks import ProcessLock
from ..settings import get_settings
from .clock import clock
from .direct import DirectConnections
from .engines import postgresql_engine, sqlite_engine
from .outages import is_outage

#: key in `Session.info` that marks a read-only session
READ_ONLY = "callboard_looking"


class Database:
    """An engine with its two session factories. `statement_timeout_s`: seconds after which PostgreSQL ends a statement; None: unlimited."""

    def __init__(self, url: str, *, pool_size: int | None = None, statement_timeout_s: float | None = None) -> None:
        self.url = parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        settings = get_settings()
        kept, overflow = pool_size or settings.database_pool, settings.database_overflow
        self.engine = (
            sqlite_engine(self.url, kept, overflow, cache_mb=settings.sqlite_cache)
            if self.is_sqlite
            else postgresql_engine(self.url, kept, overflow, schema=settings.database_schema, statement_timeout_s=statement_timeout_s)
        )
        self._write = sessionmaker(self.engine, expire_on_commit=False)
        # Autocommit for reads: PostgreSQL gives each statement its own snapshot anyway, and a transaction would cost two more round
        # trips.
        options = {"callboard_read": True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._read = sessionmaker(self.engine.execution_options(**options), expire_on_commit=False, info={READ_ONLY: True})
        self.direct = DirectConnections(self.engine, kept)
        self.pid = os.getpid()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session that commits at the end of the block and rolls back on an exception."""
        with self._write() as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a read session: takes no write lock on SQLite and is rolled back at the end."""
        with self._read() as session:
            yield session

    def session(self) -> Session:
        """Return a write session that the caller commits, rolls back and closes."""
        return self._write()

    def exists(self) -> bool:
        """True if the database file exists, always True on PostgreSQL. Connecting to a missing SQLite file would create it."""
        return not self.is_sqlite or not self.url.database or Path(self.url.database).exists()

    def check_clock(self) -> None:
        """Correct now() to PostgreSQL's clock; does nothing on SQLite, where the host's clock is used."""
        if self.is_sqlite:
            return
        with self.read() as session:
            session.connection()
            asked_at = datetime.now(UTC)
            database_now = session.execute(text("SELECT clock_timestamp()")).scalar_one()
            clock.correct(database_now, asked_at, datetime.now(UTC))


_lock, _reading = ProcessLock(), ProcessLock()
_database: Database | None = None
_statement_timeout_s: float | None = None


def limit_statements(seconds: float) -> None:
    """End each statement of this process after so many seconds (PostgreSQL): a request must not wait for a lock without limit.

    For web processes, before they open their database. The statements of workers and schedulers may take as long as they need.
    """
    global _statement_timeout_s
    _statement_timeout_s = seconds


def get_database() -> Database:
    """Return this process's database, opened at first use; a forked child opens its own."""
    opened = _database
    if opened is None or opened.pid != os.getpid():
        opened = _opened()
    if not opened.is_sqlite and clock.is_due:
        _read_clock(opened)
    return opened


def _opened() -> Database:
    global _database  # not a cache of get_settings(): tests and tools replace it
    with _lock:
        if _database is None:
            _database = _open()
        elif _database.pid != os.getpid():
            # The parent's sockets must not be used or closed here: forget them and open our own.
            _database.engine.dispose(close=False)
            _database = _open()
        return _database


def _open() -> Database:
    return Database(get_settings().effective_database_url, statement_timeout_s=_statement_timeout_s)


def _read_clock(opened: Database) -> None:
    """Read PostgreSQL's clock before the first use and at intervals: a wrong clock makes leases and delays wrong."""
    first = not clock.is_read
    if not _reading.acquire(blocking=first):
        return  # another thread is reading it
    try:
        if clock.is_due:
            opened.check_clock()
    except Exception as error:
        if first or not is_outage(error):
            raise
        clock.postpone()  # if the outage lasts, the caller's own statement will report it
    finally:
        _reading.release()


def use_database(database: Database | None) -> None:
    """Replace this process's database (for tests and tools); None: open the configured one at the next use."""
    global _database
    with _lock:
        _database = database


def disconnect() -> None:
    """Close the pooled connections of this process before a fork, which must neither use nor close them."""
    with _lock:
        if _database is not None and _database.pid == os.getpid():
            _database.engine.dispose()


@contextmanager
def write() -> Iterator[Session]:
    """Open a write session of this process's database, committed at the end of the block."""
    with get_database().write() as session:
        yield session


@contextmanager
def read() -> Iterator[Session]:
    """Open a read session of this process's database."""
    with get_database().read() as session:
        yield session
