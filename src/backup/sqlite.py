"""Copies of an SQLite database: taken with its backup API while everything runs, compressed, read back."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from ..sql.outages import is_outage
from .errors import BackupError, Damaged
from .files import CHUNK, private

#: seconds that a restore waits for a last writer
BUSY_TIMEOUT_S = 10.0
#: the byte of the -shm file that each connection in WAL mode keeps locked; https://sqlite.org/walformat.html
_HELD_BYTE = 128


def copy(database: Path, target: Path) -> Path:
    """Copy a snapshot of the database into an uncompressed file, checked; return that file. Writers are not blocked."""
    plain = target.with_name(target.name + ".plain")
    plain.unlink(missing_ok=True)
    with open(plain, "xb", opener=private):
        pass
    # In one step: page by page, it would restart at every write, and never finish under load.
    with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as source, closing(sqlite3.connect(plain)) as snapshot:
        try:
            source.backup(snapshot)
            snapshot.execute("PRAGMA journal_mode=DELETE")  # so that the copy is a single file
        except sqlite3.DatabaseError as error:
            if is_outage(error):
                raise BackupError(f"{database} cannot be copied: {error}") from None
            raise Damaged(f"{database} is damaged: {error}") from None
    check(plain, name=database)
    return plain


def check(database: Path, *, name: Path | None = None) -> None:
    """Read every page and index; raises Damaged. `name`: the file to name in the error."""
    try:
        with closing(sqlite3.connect(database)) as connection:
            found = connection.execute("PRAGMA integrity_check(5)").fetchall()
    except sqlite3.DatabaseError as error:
        raise Damaged(f"{name or database} is not a complete SQLite database: {error}") from None
    if found != [("ok",)]:
        raise Damaged(f"{name or database} is damaged: {found[0][0]}")


def compress(plain: Path, target: Path) -> None:
    """Compress, then read back and compare: the bytes must be the same."""
    digest = hashlib.sha256()
    with open(plain, "rb") as source, open(target, "wb", opener=private) as raw, gzip.GzipFile("", "wb", 6, raw) as packed:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            packed.write(chunk)
    read_back = hashlib.sha256()
    with gzip.open(target, "rb") as packed_file:
        while chunk := packed_file.read(CHUNK):
            read_back.update(chunk)
    if read_back.digest() != digest.digest():
        raise BackupError(f"{target} does not read back as it was written: check the disk.")


def unpack(copied: Path, plain: Path) -> None:
    """Unpack the copy into a database file, checked."""
    plain.unlink(missing_ok=True)
    try:
        with gzip.open(copied, "rb") as source, open(plain, "xb", opener=private) as unpacked:
            while chunk := source.read(CHUNK):
                unpacked.write(chunk)
    except (OSError, EOFError) as error:
        raise BackupError(f"{copied} cannot be unpacked: {error}") from None
    check(plain)


def replace(database: Path, prepared: Path) -> None:
    """Replace the database with the prepared one, in one transaction: all or nothing. Refused while it is in use."""
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(sqlite3.connect(prepared)) as source, closing(sqlite3.connect(database, timeout=BUSY_TIMEOUT_S)) as target:
        try:
            # Leaving WAL mode needs exclusive access, so this fails while another process has it open.
            if target.execute("PRAGMA journal_mode=DELETE").fetchone() != ("delete",):
                raise BackupError(f"{database} is in use: stop everything that uses it first.")
            source.backup(target)
            target.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            raise BackupError(f"{database} is in use ({error}): stop everything that uses it first.") from None


def set_aside(database: Path, name: Path) -> None:
    """Rename a damaged database and its log, for a later rescue. Refused while it is in use."""
    refuse_if_open(database)
    for end in ("-wal", "-shm", "-journal", ""):
        file = database.with_name(database.name + end)
        if file.exists():
            file.rename(name.with_name(name.name + end))


def refuse_if_open(database: Path) -> None:
    """Raise BackupError if another process has the database open. Asks its lock: a damaged database cannot be asked."""
    try:
        with open(f"{database}-shm", "r+b") as shared:
            fcntl.lockf(shared, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _HELD_BYTE)
    except FileNotFoundError:
        return
    except BlockingIOError:
        raise BackupError(f"{database} is in use: stop everything that uses it first.") from None
