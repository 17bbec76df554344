"""SQLite's write-ahead log: waiting until the disk has what was committed, apart from the commit itself.

A commit that does not wait is visible at once, so a message can be sent while the disk is still writing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

#: flushes a file's contents and length, but not its times, where the system has that
_sync = getattr(os, "fdatasync", os.fsync)


class WriteAheadLog:
    """The file beside a database that holds its latest commits; close it before the connection that it belongs to.

    SQLite takes its locks on other files, so opening and closing this one releases none of them. While a connection is
    open, the log is not removed; what a checkpoint has copied from it into the database is on disk.
    """

    __slots__ = ("_descriptor", "_path")

    def __init__(self, ask: Callable[[str], Iterable[Any]]) -> None:
        """`ask` runs a statement on the connection and returns its rows."""
        [path] = [row[2] for row in ask("PRAGMA database_list") if row[1] == "main"]
        self._path = f"{path}-wal"
        self._descriptor = -1

    def flush(self) -> None:
        """Wait until the disk has every commit. Raises sqlite3.OperationalError if the disk fails."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            _sync(self._descriptor)
        except FileNotFoundError:
            return  # a file system without shared memory has no such log: there each commit waits for the disk
        except OSError as error:
            raise sqlite3.OperationalError(f"disk I/O error: {error.strerror}") from error

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):
                os.close(descriptor)
