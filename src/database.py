"""Where am I? The SQL database: one engine per process, write and read sessions, and the one clock.

SQLite (embedded, one host): WAL, synchronous=FULL, every write transaction starts with BEGIN IMMEDIATE, so that
two writers wait for each other instead of failing half-way. PostgreSQL (more than one host): psycopg 3.
Whoever opens a session commits it: `with write() as session:` commits at the end of the block.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import BigInteger, DateTime, Text, exc, text
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from src.database_url import parse
from src.direct import Direct as Direct
from src.direct import DirectConnections
from src.engines import postgresql_engine, sqlite_engine
from src.settings import get_settings

#: marks in `Session.info` a session that only looks
LOOKING = "callboard_looking"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Base(DeclarativeBase):
    """The one metadata that migrations read; each table belongs to exactly one room."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use aware datetimes, e.g. datetime.now(UTC)")
        return to_microseconds(value) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return from_microseconds(value) if dialect.name == "sqlite" else value.astimezone(UTC)


class JsonText(TypeDecorator[Any]):
    """A JSON value kept as compact text: exact on both stores, also NaN and big integers."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def to_microseconds(value: datetime) -> int:
    """The instant as whole microseconds since 1970."""
    since = value - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_microseconds(value: int) -> datetime:
    """The aware UTC instant of whole microseconds since 1970."""
    return EPOCH + timedelta(microseconds=value)


#: what lies further ahead than this was written before the clock was set back: the clocks of hosts differ by less
SET_BACK = timedelta(seconds=5)
#: seconds between two readings of PostgreSQL's clock by a process that uses the database
READ_CLOCK_S = 60.0
#: seconds until the next one after a reading that failed
READ_CLOCK_AGAIN_S = 5.0
#: seconds by which the host's clock and its running clock may differ before one of them counts as set
CLOCK_SET_S = 0.25


class Clock:
    """The one source of now(): the host's clock, corrected on PostgreSQL to the database's.

    Between two readings of the database's clock time goes on as the host's running clock does, so that setting the host's
    clock changes nothing.
    """

    def __init__(self) -> None:
        self.offset = timedelta(0)
        self._lock = threading.Lock()
        self._then: tuple[float, float] | None = None  # what both clocks of the host showed; None: the host's clock is the clock
        self._due_at = 0.0

    def now(self) -> datetime:
        if self._then is not None:
            self._take_out_jumps(self._then)
        return datetime.now(UTC) + self.offset

    @property
    def is_read(self) -> bool:
        """True if the database's clock has been read."""
        return self._then is not None

    @property
    def is_due(self) -> bool:
        """True if it is to be read (again)."""
        return time.monotonic() >= self._due_at

    def postpone(self) -> None:
        """Read it a little later."""
        self._due_at = time.monotonic() + READ_CLOCK_AGAIN_S

    def follow(self, offset: timedelta) -> None:
        """Take the offset that another process of this host has measured just now."""
        self.offset, self._then, self._due_at = offset, (time.time(), _running()), time.monotonic() + READ_CLOCK_S

    def _take_out_jumps(self, then: tuple[float, float]) -> None:
        before, wall, after = _running(), time.time(), _running()
        jump = (wall - then[0]) - (before - then[1])
        if abs(jump) < CLOCK_SET_S or after - before > CLOCK_SET_S / 10:  # or this thread was kept from running in between
            return
        with self._lock:
            if self._then is then:
                self.offset -= timedelta(seconds=jump)
                self._then = (wall, before)

    def correct(self, database_now: datetime, asked_at: datetime, answered_at: datetime) -> None:
        """Set the offset from one reading of the database's clock, taken between two readings of ours.

        A reading that the present offset explains is no news: following its error would make time jump back and forth.
        """
        error = (answered_at - asked_at) / 2
        offset = database_now - (asked_at + error)
        known = self.offset if self._then is None else self.now() - datetime.now(UTC)  # without what was set meanwhile
        self.follow(offset if abs(offset - known) > error else known)


def _running() -> float:
    """Seconds by the clock that nobody sets, and that goes on while the host sleeps."""
    return time.clock_gettime(_RUNNING)


_RUNNING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
clock = Clock()


def now() -> datetime:
    """The present instant, aware and UTC, by the clock all processes share."""
    return clock.now()


class Database:
    """An engine with its two session factories."""

    def __init__(self, url: str, *, pool_size: int | None = None) -> None:
        self.url = parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        settings = get_settings()
        kept, overflow = pool_size or settings.database_pool, settings.database_overflow
        self.engine = (
            sqlite_engine(self.url, kept, overflow, cache_mb=settings.sqlite_cache)
            if self.is_sqlite
            else postgresql_engine(self.url, kept, overflow)
        )
        self._write = sessionmaker(self.engine, expire_on_commit=False)
        # PostgreSQL gives each statement a snapshot of its own anyway, so a transaction around looking is two more round trips.
        looking = {"callboard_read": True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._read = sessionmaker(self.engine.execution_options(**looking), expire_on_commit=False, info={LOOKING: True})
        self.direct = DirectConnections(self.engine, kept)
        self.pid = os.getpid()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose transaction commits at the end of the block and rolls back on an exception."""
        with self._write() as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for looking: takes no write lock on SQLite and is rolled back at the end."""
        with self._read() as session:
            yield session

    def session(self) -> Session:
        """A write session that the caller commits, rolls back and closes."""
        return self._write()

    def is_there(self) -> bool:
        """Is there a database file? SQLite would make an empty one; PostgreSQL answers for itself."""
        return not self.is_sqlite or not self.url.database or Path(self.url.database).exists()

    def check_clock(self) -> None:
        """Correct now() to PostgreSQL's clock; on SQLite the host's clock is the clock."""
        if self.is_sqlite:
            return
        with self.read() as session:
            session.connection()
            asked_at = datetime.now(UTC)
            database_now = session.execute(text("SELECT clock_timestamp()")).scalar_one()
            clock.correct(database_now, asked_at, datetime.now(UTC))


_lock = threading.Lock()
_reading = threading.Lock()
_database: Database | None = None


def _renew_locks() -> None:
    """In a forked child: a thread that held a lock is not there to release it."""
    global _lock, _reading
    _lock, _reading = threading.Lock(), threading.Lock()
    clock._lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_locks)


def get_database() -> Database:
    """This process's database, opened at first use; a forked child opens its own."""
    global _database
    with _lock:
        if _database is None:
            _database = Database(get_settings().effective_database_url)
        elif _database.pid != os.getpid():
            # The parent's sockets must not be used or closed here: forget them and open our own.
            _database.engine.dispose(close=False)
            _database = Database(get_settings().effective_database_url)
        opened = _database
    if not opened.is_sqlite and clock.is_due:
        _read_clock(opened)
    return opened


def _read_clock(opened: Database) -> None:
    """Read PostgreSQL's clock before the first use, and now and then: a lease or a delay by a wrong clock is a wrong one."""
    first = not clock.is_read
    if not _reading.acquire(blocking=first):
        return  # another thread does
    try:
        if clock.is_due:
            opened.check_clock()
    except Exception as error:
        if first or not is_outage(error):
            raise
        clock.postpone()  # the caller will meet the same outage, or not
    finally:
        _reading.release()


def use_database(database: Database | None) -> None:
    """Replace this process's database (tests, tools); None: open the configured one at the next use."""
    global _database
    with _lock:
        _database = database


@contextmanager
def write() -> Iterator[Session]:
    """A write session of this process's database, committed at the end of the block."""
    with get_database().write() as session:
        yield session


@contextmanager
def read() -> Iterator[Session]:
    """A read session of this process's database."""
    with get_database().read() as session:
        yield session


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


def migrate(url: str | None = None) -> None:
    """Bring the database to the newest schema; safe to call from several processes at once."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url or get_settings().effective_database_url
    command.upgrade(config, "head")
