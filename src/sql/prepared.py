"""Prepared statements of PostgreSQL by the driver's lower half, without its cursors.

A cursor looks at each parameter by itself, asks whether the statement is prepared yet, and keeps what it was told: of a
statement that comes alone, with 20 parameters, that is a fifth. Connecting, waiting and reading rows stay the driver's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import errors, generators
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus

#: what is used here beside psycopg's documented parts; without it the driver's cursors do
CAN_PREPARE = hasattr(generators, "execute") and hasattr(Transformer, "set_pgresult") and hasattr(errors, "error_from_result")

#: `%(name)s` in a statement
_PLACE = re.compile(r"%\((\w+)\)s")


class Prepared:
    """The statements of one connection in autocommit, each prepared when it first comes. For one thread at a time."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._encoding = connection.info.encoding
        self._rows = Transformer(connection)
        self._names: dict[str, bytes] = {}

    def fetch(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        """Run a statement with `%(name)s` for each text, number or boolean, and return its rows. Raises psycopg's errors."""
        self.send(statement, parameters)
        return self.answer()

    def send(self, statement: str, parameters: dict[str, Any]) -> None:
        """Have a statement begun; `answer` must be asked for before anything else."""
        name = self._names.get(statement)
        text, order = _numbered(statement)
        if name is None:
            name = b"callboard_%d" % len(self._names)
            self._connection.pgconn.send_prepare(name, text.encode(self._encoding))
            self.answer()
            self._names[statement] = name
        self._connection.pgconn.send_query_prepared(name, [self._told(parameters[each]) for each in order])

    def answer(self) -> list[Any]:
        """The rows of the statement that was sent. Raises psycopg's errors."""
        result = self._connection.wait(generators.execute(self._connection.pgconn))[-1]
        if result.status == ExecStatus.COMMAND_OK:
            return []
        if result.status != ExecStatus.TUPLES_OK:
            raise errors.error_from_result(result, encoding=self._encoding)
        self._rows.set_pgresult(result)
        return self._rows.load_rows(0, result.ntuples, tuple)

    def _told(self, value: Any) -> bytes | None:
        """A parameter as PostgreSQL reads it."""
        if value is None:
            return None
        told = str(value).encode(self._encoding)
        if b"\0" in told:
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")  # it would take the rest for nothing
        return told


@lru_cache(maxsize=256)
def _numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """The statement with $1 and so on, and which parameter each of them is."""
    order = tuple(dict.fromkeys(_PLACE.findall(statement)))
    text = _PLACE.sub(lambda found: f"${order.index(found[1]) + 1}", statement)
    return text.replace("%%", "%"), order
