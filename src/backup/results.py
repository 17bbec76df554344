"""Results in files, which go with the backups that name them."""

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
#: what a copy is asked for
_NAMES = "SELECT result_file FROM jobs WHERE result_file IS NOT NULL"


def keep(ask: Callable[[str], Iterable[Any]], backup: Path) -> None:
    """Keep those that the copy names, which `ask` runs a statement on."""
    SHELF.keep((row[0] for row in ask(_NAMES)), backup)


def put_back(database: Database, backup: Path) -> tuple[int, int]:
    """Put back what the restored database names and the folder of results has not; return how many came, and how many are nowhere."""
    with database.read() as session:
        names = session.execute(select(Job.result_file).where(Job.result_file.is_not(None))).scalars().all()
    return SHELF.put_back((name for name in names if name), backup)
