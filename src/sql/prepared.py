"""Prepared statements on PostgreSQL through psycopg's lower layer, without cursors.

A cursor adapts each parameter, checks whether the statement is prepared, and caches the answer: a fifth of the time of
a single statement with 20 parameters. Connecting, waiting and reading rows stay psycopg's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import errors, generators
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus

#: True if psycopg has the undocumented parts used here; without them its cursors are used
CAN_PREPARE = hasattr(generators, "execute") and hasattr(Transformer, "set_pgresult") and hasattr(errors, "error_from_result")

#: `%(name)s` in a statement
_PLACE = re.compile(r"%\((\w+)\)s")


class Prepared:
    """Prepared statements of one autocommit connection, each prepared at first use. Not thread-safe."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._encoding = connection.info.encoding
        self._rows = Transformer(connection)
        self._names: dict[str, bytes] = {}

    def fetch(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        """Run a statement with `%(name)s` for each string, number or boolean, and return its rows. Raises psycopg's errors."""
        name = self._names.get(statement)
        text, order = _numbered(statement)
        if name is None:
            name = b"callboard_%d" % len(self._names)
            self._connection.pgconn.send_prepare(name, text.encode(self._encoding))
            self._answer()
            self._names[statement] = name
        self._connection.pgconn.send_query_prepared(name, [self._encoded(parameters[each]) for each in order])
        return self._answer()

    def _answer(self) -> list[Any]:
        result = self._connection.wait(generators.execute(self._connection.pgconn))[-1]
        if result.status == ExecStatus.COMMAND_OK:
            return []
        if result.status != ExecStatus.TUPLES_OK:
            raise errors.error_from_result(result, encoding=self._encoding)
        self._rows.set_pgresult(result)
        return self._rows.load_rows(0, result.ntuples, tuple)

    def _encoded(self, value: Any) -> bytes | None:
        """Encode a parameter in PostgreSQL's text format."""
        if value is None:
            return None
        encoded = str(value).encode(self._encoding)
        if b"\0" in encoded:
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")  # it would silently truncate the text there
        return encoded


@lru_cache(maxsize=256)
def _numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """Rewrite the statement with $1, $2 …; return it with the parameter name of each position."""
    order = tuple(dict.fromkeys(_PLACE.findall(statement)))
    text = _PLACE.sub(lambda found: f"${order.index(found[1]) + 1}", statement)
    return text.replace("%%", "%"), order
