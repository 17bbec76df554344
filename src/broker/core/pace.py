"""Pace of scans of the database whose cost may grow: each kind takes at most a hundredth of the time.

While a transaction is held open, PostgreSQL can remove no row version written since, nor its index entries. A scan
from the beginning of an index then costs more from minute to minute.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

#: part of the time that scans of one kind may take
SHARE = 0.01
#: maximum seconds between two scans, however long they take
LONGEST_S = 300.0


class Pace:
    """When a scan may be repeated. `free_s`: seconds that never delay the next one, as of a busy machine."""

    def __init__(self, free_s: float) -> None:
        self._free_s = free_s
        self._due = time.monotonic()

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self._due

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Time a scan; if it fails, it may be repeated at once."""
        begun = time.monotonic()
        yield
        ended = time.monotonic()
        self._due = ended + min(max(0.0, ended - begun - self._free_s) / SHARE, LONGEST_S)
