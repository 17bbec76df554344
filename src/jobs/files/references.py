"""References to uploaded files, searched in every column that stores arguments, so that no spelling is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from .uploads import ID

#: every column that may hold arguments, with its table; a test compares the list with all tables
KEPT = (
    ("jobs", "args"),
    ("jobs", "kwargs"),
    ("jobs", "result"),
    ("batch_rows", "args"),
    ("batch_rows", "kwargs"),
    ("schedules", "args"),
    ("schedules", "kwargs"),
    ("schedules", "code"),
    ("form_presets", "values"),
)


def used(session: Session) -> set[str]:
    """Return the ids of all files in use."""
    return ids(lambda statement: session.execute(text(statement)))


def ids(ask: Callable[[str], Iterable[Any]], tables: Iterable[str] | None = None) -> set[str]:
    """The same for a copy of the database: `ask` runs a statement, `tables` are its tables; None: all."""
    known = None if tables is None else set(tables)
    return {id for statement in _statements(known) for (text,) in ask(statement) for id in ID.findall(text)}


def _statements(tables: set[str] | None) -> Iterator[str]:
    # In LIKE the underscore matches any character: the matches are checked again.
    for table, column in KEPT:
        if tables is None or table in tables:
            yield f'SELECT "{column}" FROM {table} WHERE "{column}" LIKE \'%"file_%\''
