"""Where am I? The SQL database: one engine per process, write and read sessions, and the one clock.

SQLite (embedded, one host): WAL, synchronous=FULL, every write transaction starts with BEGIN IMMEDIATE, so that
two writers wait for each other instead of failing half-way. PostgreSQL (more than one host): psycopg 3.
Whoever opens a session commits it: `with write() as session:` commits at the end of the block.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, DateTime, Text, make_url, text
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

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


class Clock:
    """The one source of now(): the host's clock, corrected on PostgreSQL to the database's."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def correct(self, database_now: datetime, asked_at: datetime, answered_at: datetime) -> None:
        """Set the offset from one reading of the database's clock, taken between two readings of ours.

        A reading that the present offset explains is no news: following its error would make time jump back and forth.
        """
        error = (answered_at - asked_at) / 2
        offset = database_now - (asked_at + error)
        if abs(offset - self.offset) > error:
            self.offset = offset


clock = Clock()


def now() -> datetime:
    """The present instant, aware and UTC, by the clock all processes share."""
    return clock.now()


class Database:
    """An engine with its two session factories."""

    def __init__(self, url: str, *, pool_size: int = 20) -> None:
        self.url = make_url(url)
        if self.url.get_backend_name() == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = sqlite_engine(self.url, pool_size) if self.is_sqlite else postgresql_engine(self.url, pool_size)
        self._write = sessionmaker(self.engine, expire_on_commit=False)
        # PostgreSQL gives each statement a snapshot of its own anyway, so a transaction around looking is two more round trips.
        looking = {"callboard_read": True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._read = sessionmaker(self.engine.execution_options(**looking), expire_on_commit=False, info={LOOKING: True})
        self.direct = DirectConnections(self.engine)
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
        with self.engine.connect() as connection:
            asked_at = datetime.now(UTC)
            database_now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
            clock.correct(database_now, asked_at, datetime.now(UTC))


_lock = threading.Lock()
_database: Database | None = None


def _renew_locks() -> None:
    """In a forked child: a thread that held a lock is not there to release it."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_locks)


def get_database() -> Database:
    """This process's database, opened at first use; a forked child opens its own."""
    global _database
    with _lock:
        if _database is None:
            _database = Database(get_settings().effective_database_url)
            _database.check_clock()
        elif _database.pid != os.getpid():
            # The parent's sockets must not be used or closed here: forget them and open our own.
            _database.engine.dispose(close=False)
            _database = Database(get_settings().effective_database_url)
        return _database


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


def is_outage(error: BaseException) -> bool:
    """Is the database away, locked or restarting, so that the same work may succeed a moment later?"""
    if isinstance(error, InterfaceError | OperationalError):
        return True
    # psycopg reports deadlocks and serialization failures, both cured by trying again, as OperationalError already.
    return isinstance(error, DBAPIError) and error.connection_invalidated


def migrate(url: str | None = None) -> None:
    """Bring the database to the newest schema; safe to call from several processes at once."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url or get_settings().effective_database_url
    command.upgrade(config, "head")
