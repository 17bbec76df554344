"""Queues with jobs left waiting: asked once for all consumers of a process, each of which would keep a connection for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from datetime import timedelta

from ...jobs.relay import lost_messages
from ...sql.clock import now
from ...sql.database import get_database


class LeftWaiting:
    """The queues of which a job was published long ago and is still queued."""

    def __init__(self, held: Collection[tuple[int, int]]) -> None:
        self._held = held  # (seq, attempt) of jobs that run here: queued only where a killed PostgreSQL has forgotten their claims
        self._lock = threading.Lock()
        self._asked_for: set[str] = set()
        self._asked_at = float("-inf")
        self._found: set[str] = set()

    def is_in(self, queue: str, patience_s: float) -> bool:
        """True if a job of this queue has waited for `patience_s` seconds. The answer may be half as old. Raises the database's errors."""
        with self._lock:
            is_new = queue not in self._asked_for
            self._asked_for.add(queue)
            if is_new or time.monotonic() - self._asked_at > patience_s / 2:
                limit = now() - timedelta(seconds=patience_s)
                held = [seq for seq, _ in list(self._held)]
                asked_for = set(self._asked_for)
                self._found = get_database().direct.read(lambda one: lost_messages.left_waiting(one, asked_for, limit, but=held))
                self._asked_at = time.monotonic()
            return queue in self._found
