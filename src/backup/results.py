"""Result files, kept with the backups that name them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ..jobs.core.models import Job
from ..jobs.files import result_files
from ..sql.database import Database
from .file_store import Shelf

SHELF = Shelf("results", result_files.path)
#: the query for the files that a copy names
_NAMES = "SELECT result_file FROM jobs WHERE result_file IS NOT NULL"


def keep(ask: Callable[[str], Iterable[Any]], backup: Path) -> None:
    """Keep the files that the copy names; `ask` runs a statement on the copy."""
    SHELF.keep((name for (name,) in ask(_NAMES)), backup)


def put_back(database: Database, backup: Path) -> tuple[int, int]:
    """Put back files that the restored database names and the results folder lacks; return how many were restored, and how many are lost."""
    with database.read() as session:
        names = session.execute(select(Job.result_file).where(Job.result_file.is_not(None))).scalars().all()
    return SHELF.put_back((name for name in names if name), backup)
