"""Room for the open streams of a web process, of which a quarter stays free of any one caller: each stream holds a thread."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ...operations.people import caller


class TooManyStreams(Exception):
    """The stream limit of this process is reached, or the caller's share of it."""


class StreamRoom:
    """Counts open streams, in all and per caller."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def open(self) -> int:
        """The number of open streams."""
        return self._open.total()

    @contextmanager
    def enter(self, most: int) -> Iterator[None]:
        """Take the place of one stream among `most`. Raises TooManyStreams."""
        by = caller.current()
        key = "" if by is None else by.key
        with self._lock:
            if self.open >= most or self._open[key] >= most - most // 4:
                raise TooManyStreams
            self._open[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[key] -= 1
                self._open += Counter()  # forget callers without a stream
