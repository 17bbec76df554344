"""Uploaded files, kept with the backups that refer to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from ..jobs.files import references, uploads
from ..sql.database import Database
from .file_store import Shelf


def _path(name: str) -> Path:
    return uploads.path(name.rpartition("/")[2])


def _name(id: str) -> str:
    return f"{uploads.path(id).parent.name}/{id}"


SHELF = Shelf("uploads", _path)


def keep(ask: Callable[[str], Iterable[Any]], columns: Collection[tuple[str, str]], backup: Path) -> None:
    """Keep the files that the copy refers to; `ask` runs a statement on it, `columns` are its columns with their tables."""
    if uploads.any_kept():  # else scanning every row is unnecessary
        SHELF.keep((_name(id) for id in references.ids(ask, columns)), backup)


def put_back(database: Database, backup: Path) -> tuple[int, int]:
    """Put back files that the restored database refers to and the uploads folder lacks; return how many were restored, and how many are lost."""
    with database.read() as session:
        used = references.used(session)
    return SHELF.put_back([_name(id) for id in sorted(used)], backup)
