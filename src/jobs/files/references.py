"""References to uploaded files, found in every column that keeps arguments, so that no spelling is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from .uploads import ID

#: every column that may hold arguments, with its table; a test compares them with all tables there are
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
    """The ids of all files that anything refers to."""
    return ids(lambda statement: session.execute(text(statement)))


def ids(ask: Callable[[str], Iterable[Any]], tables: Iterable[str] | None = None) -> set[str]:
    """The same of a copy: `ask` runs a statement, `tables` are those that there are; None: all."""
    known = None if tables is None else set(tables)
    return {id for statement in _statements(known) for row in ask(statement) for id in ID.findall(row[0])}


def _statements(tables: set[str] | None) -> Iterator[str]:
    # The underscore stands for any character here: what is found is looked at.
    for table, column in KEPT:
        if tables is None or table in tables:
            yield f'SELECT "{column}" FROM {table} WHERE "{column}" LIKE \'%"file_%\''
