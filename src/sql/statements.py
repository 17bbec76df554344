"""Values for the hot statements: many rows in one parameter, on both stores.

Claims and settlements touch thousands of rows a second, so they are written by hand: PostgreSQL gets arrays for
`unnest`, each as one string; SQLite gets one JSON string for `json_each`. Instants travel as whole microseconds since
1970.
"""

from __future__ import annotations

import json
import re
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from .direct import Direct, pipeline

#: the dialects that a statement is written in
STORES = ("sqlite", "postgresql")

#: rows that PostgreSQL processes at once while the next part is prepared
PART = 500

#: an always-true condition that makes PostgreSQL's commit of a single statement return before the disk has it
AHEAD_OF_DISK = "(SELECT set_config('synchronous_commit', 'off', true)) = 'off'"

#: `:name` in a statement, but not PostgreSQL's `::type`
_PARAMETER = re.compile(r"(?<![\w:]):(\w+)")
#: psycopg's parameters, and its escaped percent sign
_PSYCOPGS = re.compile(r"%\((\w+)\)s|%%")


class Batch:
    """A statement over many rows: `name: type` of each column in order, and its text for each store.

    In the text, `{rows}` stands for the rows as a relation named d with those columns; for instants see `_instants`;
    other parameters are bound by name. `constants`: columns of d with the same value, an SQL expression, in every row.

    Write conditions on the row as `CASE WHEN … THEN true END` beside the join on its key. Otherwise PostgreSQL trusts
    its statistics of `state`, which lag a minute behind a busy table. It then scans a partial index of everything
    queued or running recently and joins that with the batch row by row: milliseconds per job instead of microseconds.
    """

    def __init__(
        self, columns: dict[str, str], statement: str, sqlite_statement: str | None = None, *, constants: dict[str, str] | None = None
    ) -> None:
        self.columns = columns
        same = "".join(f", {value} AS {name}" for name, value in (constants or {}).items())
        arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in columns.items())
        names = ", ".join(columns)
        postgresql_rows = f"(SELECT u.*{same} FROM unnest({arrays}) AS u({names})) AS d"
        fields = ", ".join(f"value ->> {index} AS {name}" for index, name in enumerate(columns))
        sqlite_rows = f"(SELECT {fields}{same} FROM json_each(:rows)) AS d"
        self.postgresql = _named(statement, rows=postgresql_rows)
        values = ", ".join(f"CAST(:{name} AS {kind}) AS {name}" for name, kind in columns.items())
        self.postgresql_one = _named(statement, rows=f"(SELECT {values}{same}) AS d")
        self.sqlite = _instants(sqlite_statement or statement, "sqlite").format(rows=sqlite_rows)

    def execute(self, session: Session | Direct, rows: Sequence[Sequence[Any]], **parameters: Any) -> list[Any]:
        """Run the statement over `rows` and return the rows it returns, as the driver's plain tuples."""
        if is_sqlite(session):
            return _fetch(session, self.sqlite, {"rows": json.dumps(rows), **parameters})
        if len(rows) == 1 and isinstance(session, Direct):
            # No arrays to unpack: saves a third of the server's work for a single job.
            return session.fetch(self.postgresql_one, {**dict(zip(self.columns, rows[0], strict=True)), **parameters})
        return _fetch(session, self.postgresql, {**self._arrays(rows), **parameters})

    def execute_in_parts(
        self, session: Session, rows: Sequence[Sequence[Any]], take: Callable[[list[Any]], None], **parameters: Any
    ) -> None:
        """Run the statement in parts, passing each part's rows to `take` in order while PostgreSQL processes the next; all in one transaction.

        `take` must not use the session.
        """
        parts = [rows[begin : begin + PART] for begin in range(0, len(rows), PART)]
        dialect = session.connection().dialect
        if len(parts) < 2 or dialect.driver != "psycopg" or dialect.is_async:  # another driver, or asyncio, in a session of the application
            take(self.execute(session, rows, **parameters))
        else:
            pipeline(session.connection(), self.postgresql, ({**self._arrays(part), **parameters} for part in parts), take)

    def _arrays(self, rows: Sequence[Sequence[Any]]) -> dict[str, str]:
        columns = zip(*rows, strict=True) if rows else ((),) * len(self.columns)
        return {name: _array(kind, values) for (name, kind), values in zip(self.columns.items(), columns, strict=True)}

    def named(self, session: Session, rows: Sequence[Sequence[Any]], **parameters: Any) -> list[Any]:
        """Run the statement and return named tuples; for statements that are not hot."""
        kind: list[Any] = []

        def remember(description: Any) -> None:
            kind.append(namedtuple("Row", [column[0] for column in description]))

        found = self.execute(session, rows, _describe=remember, **parameters)
        return [kind[0]._make(row) for row in found]


class Single:
    """A statement without rows, `:name` for each parameter."""

    def __init__(self, statement: str) -> None:
        self.sqlite = _instants(statement, "sqlite")
        self.postgresql = _named(statement)

    def fetch(self, session: Session | Direct, **parameters: Any) -> list[Any]:
        return _fetch(session, self.sqlite if is_sqlite(session) else self.postgresql, parameters)


def _named(statement: str, **parts: str) -> str:
    """Return the statement for PostgreSQL's driver, with these parts in place of their names in braces."""
    whole = _instants(statement, "postgresql").format(**parts)
    return _PARAMETER.sub(r"%(\1)s", whole.replace("%", "%%"))


def _array(kind: str, values: Sequence[Any]) -> str:
    """Encode a PostgreSQL array as text: the driver would adapt each element, which takes as long as the statement."""
    if kind != "text":  # numbers and booleans
        return f"{{{','.join(map(str, values))}}}".replace("None", "NULL")
    if None not in values:
        joined = '","'.join(values)
        # Only the separators have quotes: nothing needs to be escaped, as in ids.
        if "\\" not in joined and joined.count('"') == 2 * len(values) - 2:
            return f'{{"{joined}"}}'
    return f"{{{','.join(['NULL' if value is None else _quoted(value) for value in values])}}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _fetch(session: Session | Direct, statement: str, parameters: dict[str, Any]) -> list[Any]:
    if isinstance(session, Direct):
        return session.fetch(statement, parameters)
    describe = parameters.pop("_describe", None)
    connection, given = session.connection(), parameters
    if connection.dialect.driver == "asyncpg":
        statement, given = _for_asyncpg(statement, parameters)
    cursor = connection.exec_driver_sql(statement, given).cursor
    if cursor is None:
        return []
    if describe is not None:
        describe(cursor.description)
    return list(cursor.fetchall())


def _for_asyncpg(statement: str, parameters: dict[str, Any]) -> tuple[str, Any]:
    """Return the statement with asyncpg's parameters, in a session of the application: numbered, and each a text that PostgreSQL casts."""
    numbers = {name: number for number, name in enumerate(parameters, 1)}
    numbered = _PSYCOPGS.sub(lambda found: f"CAST(${numbers[found[1]]} AS text)" if found[1] else "%", statement)
    return numbered, tuple(None if value is None else str(value) for value in parameters.values())


def is_sqlite(session: Session | Direct) -> bool:
    return session.is_sqlite if isinstance(session, Direct) else session.get_bind().dialect.name == "sqlite"


def _instants(statement: str, store: str) -> str:
    """Replace `@(x)`, an instant given in microseconds, and `#(x)`, an instant read as microseconds."""
    out, rest = [], statement
    while rest:
        position = min((p for p in (rest.find("@("), rest.find("#(")) if p >= 0), default=-1)
        if position < 0:
            out.append(rest)
            break
        end = rest.index(")", position)
        inner = rest[position + 2 : end]
        out.append(rest[:position])
        if store == "sqlite":
            out.append(inner)
        elif rest[position] == "@":
            out.append(f"('epoch'::timestamptz + CAST({inner} AS bigint) * interval '1 microsecond')")
        else:
            # Not extract(): it computes with numeric, which takes several times as long. As a float, whole microseconds are exact until 2106.
            out.append(f"CAST(date_part('epoch', {inner}) * 1000000 AS bigint)")
        rest = rest[end + 1 :]
    return "".join(out)


def plain(statement: str) -> dict[str, Any]:
    """A statement without rows, in both dialects: {'sqlite': …, 'postgresql': …}."""
    return {store: text(_instants(statement, store).replace("::", "\\:\\:")) for store in STORES}


def run(session: Session, statements: dict[str, Any], **parameters: Any) -> list[Any]:
    """Execute one of `plain()`'s statements and return its rows."""
    return [*session.connection().execute(statements["sqlite" if is_sqlite(session) else "postgresql"], parameters).all()]
