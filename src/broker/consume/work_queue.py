"""Work queue between the consumers and the threads of one process, replacing Dramatiq's.

A claim yields hundreds of jobs: they are added in one step, and a busy thread takes its next one without waking others.
Only waiting threads are woken, at most one per job.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from queue import Empty
from typing import Any

from .deliveries import Delivery

#: seconds that a thread waits at most while the process ends
CLOSING_S = 0.5


class WorkQueue:
    """Claimed jobs that wait for a thread: lowest actor priority number first, and of equal ones the oldest."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Delivery]] = []
        self._numbers = count()
        self._idle: deque[threading.Lock] = deque()
        self._lock = threading.Lock()
        self._is_closing = False

    def close(self) -> None:
        """Wake all threads, and let none wait long from now on: the process ends."""
        with self._lock:
            self._is_closing = True
            waking = list(self._idle)
            self._idle.clear()
        for one in waking:
            one.release()

    def put_many(self, entries: Iterable[tuple[int, Delivery]]) -> None:
        """Add jobs, each with the priority of its actor."""
        with self._lock:
            before = len(self._heap)
            for priority, delivery in entries:
                heapq.heappush(self._heap, (priority, next(self._numbers), delivery))
            waking = [self._idle.popleft() for _ in range(min(len(self._idle), len(self._heap) - before))]
        for one in waking:
            one.release()

    def get(self, timeout: float) -> Delivery:
        """Take the next job, waiting for one; raises queue.Empty after `timeout` seconds, or when the process ends."""
        with self._lock:
            if self._heap:
                return heapq.heappop(self._heap)[2]
            called = threading.Lock()
            called.acquire()
            self._idle.append(called)
            patience = min(timeout, CLOSING_S) if self._is_closing else timeout
        was_called = called.acquire(timeout=patience)
        with self._lock:
            if not was_called and called in self._idle:
                self._idle.remove(called)
            # A busy thread may have taken the job that this one was woken for.
            if self._heap:
                return heapq.heappop(self._heap)[2]
        raise Empty

    def get_nowait(self) -> Delivery:
        """Take the next job; raises queue.Empty if there is none."""
        with self._lock:
            if self._heap:
                return heapq.heappop(self._heap)[2]
        raise Empty

    def take_out(self, chosen: Callable[[Delivery], Any]) -> list[Delivery]:
        """Remove and return the waiting jobs for which `chosen` is true."""
        with self._lock:
            taken = [entry[2] for entry in self._heap if chosen(entry[2])]
            if taken:
                self._heap = [entry for entry in self._heap if not chosen(entry[2])]
                heapq.heapify(self._heap)
        return taken
