"""Stand-in for the Redis in which the suite's tasks leave notes for its tests: lists and counters in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import Any

#: environment variable with the path of the file
FILE = "CELERY_SUITE_NOTES"


class StrictRedis:
    """The commands that the suite calls."""

    def __init__(self, **_: Any) -> None:
        with self._connected() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS notes (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, value BLOB)")

    def __enter__(self) -> StrictRedis:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: each command has a connection of its own."""

    def rpush(self, key: str, *values: Any) -> int:
        with self._connected() as connection:
            connection.executemany("INSERT INTO notes (key, value) VALUES (?, ?)", [(_text(key), _bytes(value)) for value in values])
        return self.llen(key)

    def lrange(self, key: str, first: int, last: int) -> list[bytes]:
        found = self._values(key)
        return found[first : len(found) if last == -1 else last + 1]

    def llen(self, key: str) -> int:
        return len(self._values(key))

    def blpop(self, key: str, timeout: float = 0) -> tuple[bytes, bytes] | None:
        until = time.monotonic() + timeout
        while True:
            with self._connected() as connection:
                row = connection.execute(
                    "DELETE FROM notes WHERE seq = (SELECT min(seq) FROM notes WHERE key = ?) RETURNING value", (_text(key),)
                ).fetchone()
            if row is not None:
                return _bytes(key), row[0]
            if time.monotonic() > until:
                return None
            time.sleep(0.05)

    def incr(self, key: str) -> int:
        return self.rpush(f"count:{_text(key)}", "")

    def get(self, key: str) -> bytes | None:
        count = self.llen(f"count:{_text(key)}")
        return str(count).encode() if count else None

    def exists(self, key: str) -> int:
        return int(bool(self.llen(key) or self.get(key)))

    def delete(self, *keys: str) -> None:
        with self._connected() as connection:
            for key in keys:
                connection.execute("DELETE FROM notes WHERE key IN (?, ?)", (_text(key), f"count:{_text(key)}"))

    def _values(self, key: str) -> list[bytes]:
        with self._connected() as connection:
            return [row[0] for row in connection.execute("SELECT value FROM notes WHERE key = ? ORDER BY seq", (_text(key),))]

    def _connected(self) -> _Connected:
        return _Connected()


class _Connected:
    """A connection of its own, committed and closed with the block."""

    def __enter__(self) -> sqlite3.Connection:
        self._connection = sqlite3.connect(os.environ[FILE], timeout=30)
        self._connection.execute("PRAGMA synchronous = OFF")  # notes need not outlive the run, and must not slow the worker
        return self._connection

    def __exit__(self, *_: object) -> None:
        with closing(self._connection):
            self._connection.commit()


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
