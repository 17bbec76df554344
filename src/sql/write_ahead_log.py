"""SQLite's write-ahead log: waiting until the disk has what was committed, apart from the commit itself.

A commit that does not wait is visible at once, so a message can be sent while the disk is still writing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

#: flushes a file's contents and length, but not its times, where the system has that
_sync = getattr(os, "fdatasync", os.fsync)


class WriteAheadLog:
    """The file beside a database that holds its latest commits; close it before the connection that it belongs to.

    SQLite takes its locks on other files, so opening and closing this one releases none of them. While a connection is
    open, the log is not removed; what a checkpoint has copied from it into the database is on disk.
    """

    __slots__ = ("_file",)

    def __init__(self, ask: Callable[[str], Iterable[Any]]) -> None:
        """`ask` runs a statement on the connection, which must have begun to write, and returns its rows. Raises sqlite3.OperationalError."""
        [path] = [row[2] for row in ask("PRAGMA database_list") if row[1] == "main"]
        self._file: Any = None
        try:
            self._file = open(f"{path}-wal", "rb", buffering=0)  # noqa: SIM115 - until close()
        except FileNotFoundError:
            return  # a file system without shared memory has no such log: there each commit waits for the disk
        except OSError as error:
            raise _as_sqlites(error, sqlite3.SQLITE_CANTOPEN) from error

    def flush(self) -> None:
        """Wait until the disk has every commit. Raises sqlite3.OperationalError if the disk fails."""
        try:
            if self._file is not None:
                _sync(self._file.fileno())
        except OSError as error:
            raise _as_sqlites(error, sqlite3.SQLITE_IOERR_FSYNC) from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _as_sqlites(error: OSError, code: int) -> sqlite3.OperationalError:
    """The error as SQLite itself would raise it, so that it counts as an outage."""
    own = sqlite3.OperationalError(f"disk I/O error: {error.strerror}")
    own.sqlite_errorcode = code
    return own
