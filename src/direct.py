"""The short way to SQL for single hot statements: the driver's own connections, without SQLAlchemy's sessions and results.

A job that comes alone finds everything cold: what a session does around one statement takes longer than the statement.
Whoever goes this way says what to do as a function, which is done once more when its connection had died unnoticed:
asking each connection first would be one more trip for every job.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.exc import DBAPIError

from src.engines import begin_writing
from src.prepared import CAN_PREPARE, Prepared

#: connections that wait for their next use
IDLE_LIMIT = 16

#: PostgreSQL plans a statement once for all numbers of rows, which otherwise takes as long each time as doing it. Only what
#: looks rows up by their keys may go this way, so that no plan, made while a table was small, reads all of it when it has grown.
_PLAN_ONCE = (
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off;"
    " SET enable_hashjoin = off; SET enable_mergejoin = off"
)

#: statements under way at once: one that PostgreSQL works on, one that waits for it
AHEAD = 2

Answer = TypeVar("Answer")


class Direct:
    """One connection. PostgreSQL commits each statement by itself; on SQLite all of a `write` are one transaction."""

    __slots__ = ("_connection", "_dialect", "_execute", "_prepared", "is_sqlite")

    def __init__(self, engine: Engine) -> None:
        taken = engine.raw_connection()
        taken.detach()  # from the pool, which need not count it any more
        self._dialect = engine.dialect
        connection: Any = taken.dbapi_connection
        self._connection = connection
        self.is_sqlite = engine.dialect.name == "sqlite"
        if not self.is_sqlite:
            connection.autocommit = True
        self._execute = connection.cursor().execute
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

    def begin(self) -> None:
        """Take SQLite's one write lock."""
        if self.is_sqlite:
            begin_writing(self._connection.cursor(), lambda: self.fetch("BEGIN IMMEDIATE", {}))

    def commit(self) -> None:
        if self.is_sqlite:
            self.fetch("COMMIT", {})

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
    """The error that SQLAlchemy would have made of a driver's."""
    made = DBAPIError.instance(
        statement,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,  # arguments of jobs are nobody's who reads a log
        connection_invalidated=dialect.is_disconnect(error, connection, None),
        dialect=dialect,
    )
    assert isinstance(made, DBAPIError)
    return made


class DirectConnections:
    """Those of one engine; they close when its pool is disposed of."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pid = os.getpid()
        self._idle: deque[Direct] = deque()
        self._disposals = 0
        event.listen(engine, "engine_disposed", self._dispose)

    def write(self, act: Callable[[Direct], Answer]) -> Answer:
        """What `act` answers, committed. It may be done twice, the first time in vain or not: what it writes must allow that."""
        try:
            return self._write(act)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._write(act)

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

    def _write(self, act: Callable[[Direct], Answer]) -> Answer:
        with self._taken() as direct:
            direct.begin()
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
        if len(self._idle) < IDLE_LIMIT and self._disposals == disposals:
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
