"""Direct SQL for hot statements: the driver's own connections, without SQLAlchemy's sessions and results.

For a single job, the overhead of a session exceeds the time of its statement. Callers pass a function, which is run a
second time if its connection turns out to be dead: pinging each connection first would cost every job one round trip.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from .engines import UNUSED_S, begin_writing, is_left
from .write_ahead_log import WriteAheadLog

if TYPE_CHECKING:  # imports psycopg
    from .prepared import Prepared

#: connections of a process that may wait for notifications
LISTENERS = 8

#: One generic plan per statement: planning each time takes as long as executing. Only for statements that find rows by key: a plan made
#: while a table was small must not scan all of it once it has grown.
_PLAN_ONCE = (
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off;"
    " SET enable_hashjoin = off; SET enable_mergejoin = off"
)

#: PostgreSQL: writes something, so that this statement's commit waits until it and everything committed before are on disk
FLUSH = "SELECT 1 FROM pg_logical_emit_message(true, 'callboard', '')"

#: statements in flight at once: one being executed, one queued
AHEAD = 2

Answer = TypeVar("Answer")


class Direct:
    """One connection. PostgreSQL commits each statement by itself; on SQLite all statements of a `write` form one transaction."""

    __slots__ = ("_channel", "_connection", "_dialect", "_execute", "_flushes", "_log", "_prepared", "is_sqlite", "returned")

    def __init__(self, engine: Engine) -> None:
        try:
            taken = engine.raw_connection()
        except engine.dialect.loaded_dbapi.Error as error:  # the driver's own error, which callers would not recognise as an outage
            raise as_sqlalchemys(error, "", engine.dialect, None) from error
        taken.detach()  # remove it from the pool's count
        self._dialect = engine.dialect
        connection: Any = taken.dbapi_connection
        self._connection = connection
        self.is_sqlite = engine.dialect.name == "sqlite"
        if not self.is_sqlite:
            connection.autocommit = True
        self._execute = connection.cursor().execute
        self._channel: str | None = None
        self._flushes = True
        self.returned = 0.0  # when it was last used, by time.monotonic()
        self._prepared: Prepared | None = None
        self._log: WriteAheadLog | None = None
        if not self.is_sqlite:
            from .prepared import CAN_PREPARE, Prepared  # imported late: it needs psycopg, 8 MB that SQLite does without

            try:
                self.fetch(_PLAN_ONCE, {})
                self._prepared = Prepared(connection) if CAN_PREPARE else None
            except BaseException:
                self.close()
                raise

    def fetch(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        """Run a statement written in the driver's parameter style and return its rows. Raises SQLAlchemy's DBAPIError."""
        try:
            if self._prepared is not None:
                rows: list[Any] = self._prepared.fetch(statement, parameters)
                return rows
            cursor = self._execute(statement, parameters)
            return [] if cursor.description is None else cursor.fetchall()
        except self._dialect.loaded_dbapi.Error as error:
            raise as_sqlalchemys(error, statement, self._dialect, self._connection) from error

    def channel(self) -> str:
        """Return the name of the channel on which only this connection listens, while it lives (PostgreSQL).

        Raises SQLAlchemy's DBAPIError.
        """
        if self._channel is None:
            name = f"callboard_{secrets.token_hex(8)}"
            self.fetch(f"LISTEN {name}", {})
            self._channel = name
        return self._channel

    def notification(self, timeout_s: float) -> str | None:
        """Return the next notification on `channel()`, or None after `timeout_s` seconds. Raises SQLAlchemy's DBAPIError."""
        try:
            return next((notice.payload for notice in self._connection.notifies(timeout=timeout_s, stop_after=1)), None)
        except self._dialect.loaded_dbapi.Error as error:
            raise as_sqlalchemys(error, "LISTEN", self._dialect, self._connection) from error

    def begin(self, *, flush: bool) -> None:
        """Take SQLite's write lock; with `flush`, the commit waits for the disk."""
        if self.is_sqlite:
            if flush is not self._flushes:
                self._execute(f"PRAGMA synchronous={'FULL' if flush else 'NORMAL'}")
                self._flushes = flush
            begin_writing(self._connection.cursor(), lambda: self.fetch("BEGIN IMMEDIATE", {}))

    def commit(self) -> None:
        """Commit SQLite's transaction, unless that is done."""
        if self.is_sqlite and self._connection.in_transaction:
            self.fetch("COMMIT", {})

    def get_ready_to_flush(self) -> None:
        """Take what `flush()` needs, in a transaction that it is for: a later failure would come after the commit. Raises SQLAlchemy's DBAPIError."""
        if self.is_sqlite and self._log is None:
            with _errors_of(self._dialect, self._connection):
                self._log = WriteAheadLog(self._execute)

    def flush(self) -> None:
        """Wait until the disk has everything that is committed. Raises SQLAlchemy's DBAPIError."""
        if self._log is None:
            self.fetch(FLUSH, {})
            return
        with _errors_of(self._dialect, self._connection):
            self._log.flush()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
        if self.is_sqlite:
            self._connection.rollback()  # an unfinished statement would keep the closed connection, and its lock, alive
        self._connection.close()


def pipeline(connection: Connection, statement: str, parts: Iterable[dict[str, Any]], take: Callable[[list[Any]], None]) -> None:
    """Execute the statement on PostgreSQL once per parameter set, in pipeline mode: send the next before the last has answered.

    The statement is in the driver's parameter style; `take` receives the rows of each execution, in order. Everything
    runs in the connection's transaction, and neither `parts` nor `take` may use the connection. Raises SQLAlchemy's
    DBAPIError; roll the transaction back then, as after any error.
    """
    driver: Any = connection.connection.dbapi_connection
    error_of_driver: Any = connection.dialect.loaded_dbapi.Error
    under_way: deque[Any] = deque()
    try:
        with driver.pipeline():
            for parameters in parts:
                cursor = driver.cursor()
                cursor.execute(statement, parameters)
                under_way.append(cursor)
                if len(under_way) > AHEAD:
                    take(under_way.popleft().fetchall())
            while under_way:
                take(under_way.popleft().fetchall())
    except error_of_driver as error:
        wrapped = as_sqlalchemys(error, statement, connection.dialect, driver)
        if wrapped.connection_invalidated:
            connection.invalidate(error)
        raise wrapped from error


def flush(session: Session) -> None:
    """Wait until the disk has what others have committed; the session's own transaction goes on. Raises SQLAlchemy's DBAPIError."""
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(FLUSH)
        return
    with _errors_of(connection.dialect, connection.connection.dbapi_connection):
        log = WriteAheadLog(connection.exec_driver_sql)
        try:
            log.flush()
        finally:
            log.close()


@contextmanager
def _errors_of(dialect: Dialect, connection: Any) -> Iterator[None]:
    try:
        yield
    except dialect.loaded_dbapi.Error as error:
        raise as_sqlalchemys(error, "flush", dialect, connection) from error


def as_sqlalchemys(error: Any, statement: str, dialect: Dialect, connection: Any) -> DBAPIError:
    """Wrap a driver's error as SQLAlchemy would have; `connection`: None if there is none yet."""
    wrapped = DBAPIError.instance(
        statement,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,  # arguments of jobs must not reach the logs
        connection_invalidated=is_left(error) or dialect.is_disconnect(error, connection, None),
        dialect=dialect,
    )
    assert isinstance(wrapped, DBAPIError)
    return wrapped


class DirectConnections:
    """Direct connections of one engine; they close when its pool is disposed of."""

    def __init__(self, engine: Engine, kept: int) -> None:
        self._engine = engine
        self._kept = kept
        self._pid = os.getpid()
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._idle: deque[Direct] = deque()
        self._listeners = threading.BoundedSemaphore(LISTENERS)
        self._disposals = 0
        event.listen(engine, "engine_disposed", self._dispose)

    def write(self, act: Callable[[Direct], Answer], *, flush: bool = True) -> Answer:
        """Run `act` in a transaction and return its result, committed. `act` may run twice, so its writes must be idempotent.

        Without `flush`, SQLite may lose the commit in a power failure or host crash, but not when the process is
        killed; `act` may commit and flush by itself.
        """
        try:
            return self._write(act, flush)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._write(act, flush)

    def read(self, act: Callable[[Direct], Answer]) -> Answer:
        """Run `act`, which only reads, and return its result; each statement has its own snapshot."""
        try:
            with self._taken() as direct:
                return act(direct)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        with self._taken() as direct:
            return act(direct)

    @contextmanager
    def listening(self) -> Iterator[Direct | None]:
        """Yield a connection that receives notifications; None where the store has none, or if the limit of listeners is reached.

        An exception inside the block closes the connection: leave the block before raising an unrelated error.
        """
        if self._is_sqlite or not self._listeners.acquire(blocking=False):
            yield None
            return
        try:
            with self._taken() as direct:
                yield direct
        finally:
            self._listeners.release()

    def _write(self, act: Callable[[Direct], Answer], flush: bool) -> Answer:
        with self._taken() as direct:
            direct.begin(flush=flush)
            answer = act(direct)
            direct.commit()
            return answer

    @contextmanager
    def _taken(self) -> Iterator[Direct]:
        disposals = self._disposals
        try:
            direct = self._idle.pop()
        except IndexError:
            direct = Direct(self._engine)
        try:
            yield direct
        except BaseException as error:
            # Also after an interrupt in the middle of a statement, which leaves the connection in an unknown state. Closing rolls back.
            direct.close()
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                self._close_idle()  # the idle connections lead to the same server
            raise
        if len(self._idle) < self._kept and self._disposals == disposals:
            direct.returned = time.monotonic()
            self._idle.append(direct)
            self._close_unused(direct.returned)
        else:
            direct.close()

    def _dispose(self, _engine: Engine) -> None:
        if self._pid == os.getpid():
            self._disposals += 1  # connections in use close when they are returned
            self._close_idle()
        # In a forked child they belong to the parent.

    def _close_unused(self, present: float) -> None:
        """Close the connection that has been idle the longest, if that is long: the latest one is taken first."""
        try:
            if present - self._idle[0].returned > UNUSED_S:
                self._idle.popleft().close()
        except IndexError:
            return  # another thread has taken it

    def _close_idle(self) -> None:
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return
