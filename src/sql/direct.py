"""Direct SQL for hot statements: the driver's own connections, without SQLAlchemy's sessions and results.

A job that comes alone finds everything cold: what a session does around one statement takes longer than the statement.
Whoever goes this way says what to do as a function, which is done once more when its connection had died unnoticed:
asking each connection first would be one more trip for every job.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.exc import DBAPIError

from .engines import begin_writing, is_left
from .prepared import CAN_PREPARE, Prepared

#: connections of a process on which somebody waits to be told something
LISTENERS = 8

#: PostgreSQL plans a statement once for all numbers of rows, which otherwise takes as long each time as doing it. Only what
#: looks rows up by their keys may go this way, so that no plan, made while a table was small, reads all of it when it has grown.
_PLAN_ONCE = (
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off;"
    " SET enable_hashjoin = off; SET enable_mergejoin = off"
)

#: PostgreSQL: writes something, so that the commit of this statement waits until the disk has it and all that was committed before
FLUSH = "SELECT 1 FROM pg_logical_emit_message(true, 'callboard', '')"

#: statements under way at once: one that PostgreSQL works on, one that waits for it
AHEAD = 2

Answer = TypeVar("Answer")


class Direct:
    """One connection. PostgreSQL commits each statement by itself; on SQLite all of a `write` are one transaction."""

    __slots__ = ("_channel", "_connection", "_dialect", "_execute", "_flushes", "_prepared", "is_sqlite")

    def __init__(self, engine: Engine) -> None:
        try:
            taken = engine.raw_connection()
        except engine.dialect.loaded_dbapi.Error as error:  # as the driver raised it, which nobody would take for an outage
            raise as_sqlalchemys(error, "", engine.dialect, None) from error
        taken.detach()  # from the pool, which need not count it any more
        self._dialect = engine.dialect
        connection: Any = taken.dbapi_connection
        self._connection = connection
        self.is_sqlite = engine.dialect.name == "sqlite"
        if not self.is_sqlite:
            connection.autocommit = True
        self._execute = connection.cursor().execute
        self._channel: str | None = None
        self._flushes = True
        self._prepared: Prepared | None = None
        if not self.is_sqlite:
            try:
                self.fetch(_PLAN_ONCE, {})
                self._prepared = Prepared(connection) if CAN_PREPARE else None
            except BaseException:
                self.close()
                raise

    def fetch(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        """Run a statement in the driver's own spelling and return its rows. Raises SQLAlchemy's DBAPIError."""
        try:
            if self._prepared is not None:
                return self._prepared.fetch(statement, parameters)
            cursor = self._execute(statement, parameters)
            return [] if cursor.description is None else cursor.fetchall()
        except self._dialect.loaded_dbapi.Error as error:
            raise as_sqlalchemys(error, statement, self._dialect, self._connection) from error

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """PostgreSQL's disk has all that was committed on this connection when the block is left, and works while it is carried out.

        Raises SQLAlchemy's DBAPIError.
        """
        if self._prepared is None:
            yield
            self.fetch(FLUSH, {})
            return
        with self._driver_errors(FLUSH):
            self._prepared.send(FLUSH, {})
        try:
            yield
        finally:
            with self._driver_errors(FLUSH):
                self._prepared.answer()

    def channel(self) -> str:
        """The channel on which this connection alone listens, as long as it lives; PostgreSQL's. Raises SQLAlchemy's DBAPIError."""
        if self._channel is None:
            name = f"callboard_{secrets.token_hex(8)}"
            self.fetch(f"LISTEN {name}", {})
            self._channel = name
        return self._channel

    def told(self, timeout_s: float) -> str | None:
        """What is said next on `channel()`, or None after `timeout_s` seconds. Raises SQLAlchemy's DBAPIError."""
        with self._driver_errors("LISTEN"):
            return next((notice.payload for notice in self._connection.notifies(timeout=timeout_s, stop_after=1)), None)

    def begin(self, *, flush: bool) -> None:
        """Take SQLite's one write lock; `flush`: the commit waits for the disk."""
        if self.is_sqlite:
            if flush is not self._flushes:
                self._execute(f"PRAGMA synchronous={'FULL' if flush else 'NORMAL'}")
                self._flushes = flush
            begin_writing(self._connection.cursor(), lambda: self.fetch("BEGIN IMMEDIATE", {}))

    def commit(self) -> None:
        if self.is_sqlite:
            self.fetch("COMMIT", {})

    @contextmanager
    def _driver_errors(self, statement: str) -> Iterator[None]:
        try:
            yield
        except self._dialect.loaded_dbapi.Error as error:
            raise as_sqlalchemys(error, statement, self._dialect, self._connection) from error

    def close(self) -> None:
        if self.is_sqlite:
            self._connection.rollback()  # what a statement is left of keeps a connection that was closed, and its lock, alive
        self._connection.close()


def pipeline(connection: Connection, statement: str, parts: Iterable[dict[str, Any]], take: Callable[[list[Any]], None]) -> None:
    """Do the statement on PostgreSQL with each of these parameters, without waiting for one before the next is sent.

    In the driver's own spelling; `take` is given the rows that each returns, in order. All within the connection's
    transaction, of which neither `parts` nor `take` may ask anything. Raises SQLAlchemy's DBAPIError; the transaction is
    then to be rolled back, as after any.
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


def as_sqlalchemys(error: Any, statement: str, dialect: Dialect, connection: Any) -> DBAPIError:
    """The error that SQLAlchemy would have made of a driver's; `connection`: None while there is none yet."""
    made = DBAPIError.instance(
        statement,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,  # arguments of jobs are nobody's who reads a log
        connection_invalidated=is_left(error) or dialect.is_disconnect(error, connection, None),
        dialect=dialect,
    )
    assert isinstance(made, DBAPIError)
    return made


class DirectConnections:
    """Those of one engine; they close when its pool is disposed of."""

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
        """What `act` answers, committed. It may be done twice, the first time in vain or not: what it writes must allow that.

        Without `flush` a SQLite database may lose it when its host does, of which all processes die: by a loss of power, not by a kill.
        """
        try:
            return self._write(act, flush)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._write(act, flush)

    def read(self, act: Callable[[Direct], Answer]) -> Answer:
        """What `act` answers, which only looks, with a statement of its own snapshot."""
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
        """A connection to be told something on; None where nobody is told, or as many as may wait already do.

        An exception in the block closes it: leave the block first to raise what has nothing to do with it.
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
            # Also after an interrupt in the middle of a statement: who knows what state it is in. Closing rolls back.
            direct.close()
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                self._close_idle()  # they went to the same server
            raise
        if len(self._idle) < self._kept and self._disposals == disposals:
            self._idle.append(direct)
        else:
            direct.close()

    def _dispose(self, _engine: Engine) -> None:
        if self._pid == os.getpid():
            self._disposals += 1  # what is in use now closes when it comes back
            self._close_idle()
        # In a forked child they are the parent's.

    def _close_idle(self) -> None:
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return
