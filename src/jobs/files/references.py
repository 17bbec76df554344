"""References to uploaded files, searched in every column that stores arguments, so that no spelling is missed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from . import result_files
from .uploads import ID

#: every column that may hold arguments, by its table; a test compares the list with all tables
KEPT = {
    "jobs": ("args", "kwargs", "options", "body", "result", "result_file"),  # options: the messages that follow a job
    "batch_rows": ("args", "kwargs"),
    "schedules": ("args", "kwargs", "code"),
    "form_presets": ("values",),
    "sql_requests": ("request",),
    "workflow_steps": ("template",),
}


def used(session: Session) -> set[str]:
    """Return the ids of all files in use."""
    return ids(lambda statement: session.execute(text(statement)))


def ids(ask: Callable[[str], Iterable[Any]], columns: Collection[tuple[str, str]] | None = None) -> set[str]:
    """The same for a copy of the database: `ask` runs a statement, `columns` exist, each with its table; None: all do."""
    return {id for found in _texts(ask, columns) for id in ID.findall(found)}


def _texts(ask: Callable[[str], Iterable[Any]], columns: Collection[tuple[str, str]] | None) -> Iterator[str]:
    for table, names in KEPT.items():
        there = [name for name in names if columns is None or (table, name) in columns]
        if there:
            for row in ask(_statement(table, there)):
                for name, value in zip(there, row, strict=True):
                    if value is not None:
                        yield _content(value) if name == "result_file" else value


def _statement(table: str, names: list[str]) -> str:
    # One scan per table. In LIKE the underscore matches any character: the matches are checked again. A column without a
    # reference is left out of the row: the large results of many jobs with files would fill the memory.
    patterns = {name: f"%{result_files.WITH_UPLOADS}" if name == "result_file" else '%"file_%' for name in names}
    matches = {name: f"\"{name}\" LIKE '{pattern}'" for name, pattern in patterns.items()}
    selected = ", ".join(f'CASE WHEN {match} THEN "{name}" END' for name, match in matches.items())
    return f"SELECT {selected} FROM {table} WHERE {' OR '.join(matches.values())}"


def _content(name: str) -> str:
    try:
        return result_files.read(name).decode()
    except result_files.ResultNotHere:
        return ""
