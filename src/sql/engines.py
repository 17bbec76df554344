"""SQLAlchemy engines for the two stores: how connections are configured and pooled, and how SQLite's one write lock is taken."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from ..locks import ProcessLock

#: key in `Connection.info` of connections that find Callboard's tables by their names
FINDS_TABLES = "callboard_finds_tables"

#: milliseconds that a SQLite writer waits for the write lock
SQLITE_BUSY_TIMEOUT_MS = 15_000
#: milliseconds that SQLite itself waits in each attempt to take the lock
SQLITE_ASK_MS = 2
#: SQLite's result codes of a lock that another connection holds; the low byte is a code without its details
LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
PRIMARY_CODE = 0xFF

#: Seconds after which an unused connection is closed. Otherwise the rare moments that need many at once add up, until each process
#: keeps as many as it may.
UNUSED_S = 60.0

#: for jitter: threads of ours must not disturb the random numbers that an actor draws after `random.seed()`
dice = random.SystemRandom()


class ShrinkingPool(QueuePool):
    """SQLAlchemy's pool, taking the connection that was used last, and closing what was not needed for UNUSED_S seconds."""

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        present = record.info[_RETURNED] = time.monotonic()
        super()._do_return_conn(record)
        idle: Any = self._pool
        with idle.mutex:
            waiting = idle.queue
            if not waiting or present - waiting[0].info.get(_RETURNED, present) <= UNUSED_S:
                return
            unused = waiting.popleft()
            self._dec_overflow()  # at once: a thread that finds neither a connection nor room for one waits until another is returned
        unused.close()


_RETURNED = "callboard_returned"


def sqlite_engine(url: URL, pool_size: int, overflow: int, *, cache_mb: int) -> Engine:
    """Create an engine whose write transactions begin with the write lock; create the file's folder if it is missing."""
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_engine(
        url,
        hide_parameters=True,  # arguments and results of jobs must not reach the logs
        poolclass=ShrinkingPool,
        pool_use_lifo=True,
        pool_size=pool_size,
        max_overflow=overflow,
        connect_args={
            "timeout": SQLITE_BUSY_TIMEOUT_MS / 1000,
            "check_same_thread": False,
            "isolation_level": None,
            "cached_statements": 512,
        },
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        record.info[FINDS_TABLES] = True
        # SQLite's own function changes ASCII letters alone, so that a search for others depended on their case.
        connection.create_function("lower", 1, _lower, deterministic=True)
        cursor = connection.cursor()
        # The first process to open a new file switches it to WAL; the others may meet its lock for a moment.
        deadline = time.monotonic() + SQLITE_BUSY_TIMEOUT_MS / 1000
        while True:
            try:
                cursor.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.Error as error:
                if error.sqlite_errorcode & PRIMARY_CODE not in LOCKED or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        # A cache limit per connection would multiply by dozens of connections. The heap limit is per process: at the limit, connections
        # reuse their own pages instead of allocating more.
        cursor.execute(f"PRAGMA soft_heap_limit={cache_mb * 1_000_000}")
        cursor.execute(f"PRAGMA cache_size=-{min(32_000, cache_mb * 500)}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        if connection.get_execution_options().get("callboard_read"):
            connection.exec_driver_sql("BEGIN")
        else:
            cursor = connection.connection.driver_connection.cursor()
            # Ask once more through SQLAlchemy, so that its error is the one raised.
            begin_writing(cursor, lambda: connection.exec_driver_sql("BEGIN IMMEDIATE"))

    return engine


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


#: One thread per process asks for the lock at a time: sixteen pollers keep each other, and the lock's holder, from the interpreter.
_asking = ProcessLock()


def begin_writing(cursor: Any, fail: Callable[[], object]) -> None:
    """BEGIN IMMEDIATE on a sqlite3 cursor, retried at short, even intervals; on timeout `fail` tries once more and raises.

    SQLite's own busy handler doubles its pauses up to 100 ms, which starves the writer that has waited longest: under
    load some writers waited for seconds.
    """
    deadline = time.monotonic() + SQLITE_BUSY_TIMEOUT_MS / 1000
    try:
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_ASK_MS}")
        with _asking:
            while time.monotonic() < deadline:
                try:
                    cursor.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                        break
                    time.sleep(dice.uniform(0.0005, 0.002))
        fail()
    finally:
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT_MS}")
        cursor.close()


#: connection defaults for PostgreSQL, unless the URL sets them: seconds, and milliseconds for tcp_user_timeout
_REACHED = {
    "application_name": "callboard",
    "connect_timeout": 5,
    # A dead host is detected within 25 s on an idle connection, and within 20 s after sending.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


#: Custom plans only: a generic plan reads a range of four thousand rows like one of a million, and made searches in arguments take 280 ms
#: instead of 40. No compilation: at ten million jobs it took 6.5 of the 7.5 ms of a forecast's statement. And the server detects a vanished client as soon as the client does a vanished server: else the transaction of a host
#: without power would keep its locks for two hours.
_SESSION = {
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


def postgresql_engine(url: URL, pool_size: int, overflow: int, *, schema: str = "", statement_timeout_s: float | None = None) -> Engine:
    """Create an engine that pings each connection before use.

    `schema`: the only one in which names are looked up. `statement_timeout_s`: seconds after which the server ends a statement.
    """
    from .half_open import WatchfulConnection  # imported late: it needs psycopg, 8 MB that SQLite does without
    from .pooling import refuse_sharing

    engine = create_engine(
        url,
        hide_parameters=True,
        poolclass=ShrinkingPool,
        pool_use_lifo=True,
        pool_size=pool_size,
        max_overflow=overflow,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={name: value for name, value in _REACHED.items() if name not in url.query},
    )

    session = {**_SESSION, "statement_timeout": f"{statement_timeout_s * 1000:.0f}"} if statement_timeout_s else _SESSION
    prepare = "SELECT pg_backend_pid(), " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in session.items())

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        return WatchfulConnection.connect(*arguments, **options)

    # First, because SQLAlchemy reads the default schema of the first connection.
    @event.listens_for(engine, "connect", insert=True)
    def _prepare(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(prepare)
            connection.server_pid = cursor.fetchone()[0]
            if schema:
                cursor.execute("SELECT set_config('search_path', %s, false)", (schema,))
        record.info[FINDS_TABLES] = True
        connection.commit()
        if connection.server_pid != connection.pgconn.backend_pid:  # a pooler numbers connections itself
            refuse_sharing(connection)

    @event.listens_for(engine, "handle_error")
    def _leave(context: Any) -> None:
        if is_left(context.original_exception):
            context.is_disconnect = True

    return engine


def is_left(error: Any) -> bool:
    """True if the server can no longer serve this connection's purpose, so that the whole pool is discarded.

    After a fail-over the old primary may continue as a read-only standby; other errors mean that it is shutting down.
    """
    return getattr(error, "sqlstate", None) in ("25006", "57P01", "57P02", "57P03")
