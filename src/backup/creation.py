"""make(): create one backup. It gets its final name only after it has been read back; older ones are pruned only then."""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from .. import __version__
from ..migrations import version_table
from ..sql.clock import now
from ..sql.database import Database
from . import postgresql, pruning, results, sqlite, uploads
from .errors import BackupError
from .files import SUFFIXES, Manifest, Store, backups, checksum, delete_drafts, manifest_path, new_path, write_manifest

#: tables whose rows are counted, so that a restore can report what came back
COUNTED = ("jobs", "attempts", "console_users", "user_accounts")
#: all columns, each with its table
_SQLITE_COLUMNS = "SELECT t.name, c.name FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'"
_POSTGRESQL_COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"


def make(database: Database, folder: Path, *, prefix: str = "callboard") -> tuple[Path, Manifest]:
    """Copy, verify and write the manifest; return the copy and its manifest. Raises BackupError, and then leaves no partial files."""
    store: Store = "sqlite" if database.is_sqlite else "postgresql"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        delete_drafts(folder)  # first: they may fill the disk
        made_at = now()
        path = new_path(folder, store, made_at, prefix=prefix)
        draft = path.with_name(path.name + ".part")
        return path, (_of_sqlite if store == "sqlite" else _of_postgresql)(database, path, draft, made_at)
    except OSError as error:
        raise BackupError(
            f"The backup cannot be written to {folder}: {error.strerror or error}. Is there room?  df -h {shlex.quote(str(folder))}"
        ) from None


def prune(folder: Path) -> list[Path]:
    """Delete the backups that the rule drops, of each store by itself; return what was deleted."""
    gone = []
    for suffix in SUFFIXES.values():
        found = [(instant, path) for instant, path in backups(folder) if path.name.endswith(suffix)]
        stay = pruning.kept([instant for instant, _ in found])
        gone += [path for instant, path in found if instant not in stay]
    for path in gone:
        manifest_path(path).unlink(missing_ok=True)  # first: a copy without a manifest does not count
        path.unlink(missing_ok=True)
    for kind in (results, uploads):
        kind.SHELF.prune(folder)
    return gone


def _of_sqlite(database: Database, path: Path, draft: Path, made_at: datetime) -> Manifest:
    assert database.url.database is not None
    plain = draft.with_name(draft.name + ".plain")
    try:
        sqlite.copy(Path(database.url.database), draft)
        with closing(sqlite3.connect(plain)) as connection:
            columns = set(connection.execute(_SQLITE_COLUMNS))
            schema, counts = _described({table for table, _ in columns}, lambda statement: connection.execute(statement).fetchone()[0])
            _keep_files(connection.execute, columns, path)
        sqlite.compress(plain, draft)
        return _finish(path, draft, store="sqlite", made_at=made_at, schema=schema, counts=counts)
    finally:
        for left in (plain, *(plain.with_name(plain.name + end) for end in ("-wal", "-shm", "-journal")), draft):
            left.unlink(missing_ok=True)


def _of_postgresql(database: Database, path: Path, draft: Path, made_at: datetime) -> Manifest:
    try:
        with postgresql.snapshot(database) as (connection, url, name):
            columns = {(table, column) for table, column in connection.execute(text(_POSTGRESQL_COLUMNS))}
            schema, counts = _described({table for table, _ in columns}, lambda statement: connection.execute(text(statement)).scalar_one())
            _keep_files(lambda statement: connection.execute(text(statement)), columns, path)
            postgresql.copy(url, draft, snapshot_name=name)
        return _finish(path, draft, store="postgresql", made_at=made_at, schema=schema, counts=counts)
    finally:
        draft.unlink(missing_ok=True)


def _keep_files(ask: Callable[[str], Iterable[Any]], columns: set[tuple[str, str]], path: Path) -> None:
    if ("jobs", "result_file") in columns:  # older schemas have no such column
        results.keep(ask, path)
    uploads.keep(ask, columns, path)


def _finish(path: Path, draft: Path, *, store: Store, made_at: datetime, schema: str, counts: dict[str, int]) -> Manifest:
    with open(draft, "rb") as file:
        os.fsync(file.fileno())
    manifest = Manifest(path.name, made_at.isoformat(), store, draft.stat().st_size, checksum(draft), schema, __version__, counts)
    draft.replace(path)
    write_manifest(path, manifest)
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    return manifest


def _described(tables: set[str], ask: Callable[[str], Any]) -> tuple[str, dict[str, int]]:
    """The schema's revision and the row counts; raises BackupError if this is not a Callboard database."""
    table = next((name for name in (version_table.NAME, version_table.EARLIER) if name in tables), None)
    if table is None:
        raise BackupError("This is not a Callboard database: it has never been migrated.")
    counts = {table: int(ask(f"SELECT count(*) FROM {table}")) for table in COUNTED if table in tables}
    return str(ask(f"SELECT version_num FROM {table}")), counts
