"""Dramatiq's rate limiters and barriers on SQL: what its RedisBackend is to them, without Redis.

    backend = SqlRateLimiterBackend()
    mutex = ConcurrentRateLimiter(backend, "one-at-a-time", limit=1)

For new code the actor options `rate_limit` and `concurrency` are better: they hold no thread and spend no attempt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from dramatiq.rate_limits import RateLimiterBackend
from sqlalchemy.orm import Session

from ...jobs.attempts.current_job import current_job
from ...jobs.limits import limiter_values
from ...sql.database import get_database, read, write

#: seconds: the first and the longest pause between two polls for an event
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.1


class SqlRateLimiterBackend(RateLimiterBackend):
    """Counters in this process's database; every method is a short transaction of its own."""

    def add(self, key: str, value: int, ttl: int) -> bool:
        """Set a value unless a live one exists. `ttl` in milliseconds, here and below."""
        with _transaction() as session:
            return limiter_values.add(session, key, value, ttl)

    def incr(self, key: str, amount: int, maximum: int, ttl: int) -> bool:
        """Add to a value unless it would exceed the maximum."""
        with _transaction() as session:
            return limiter_values.change(session, key, amount, ttl, most=maximum)

    def decr(self, key: str, amount: int, minimum: int, ttl: int) -> bool:
        """Subtract from a value unless it would fall below the minimum."""
        with _transaction() as session:
            return limiter_values.change(session, key, -amount, ttl, least=minimum)

    def incr_and_sum(self, key: str, keys: Callable[[], Sequence[str]], amount: int, maximum: int, ttl: int) -> bool:
        """Add to a value unless the sum over all of `keys()` would exceed the maximum."""
        with _transaction() as session:
            return limiter_values.add_within_sum(session, key, keys, amount, maximum, ttl)

    def wait(self, key: str, timeout: int | None) -> bool:
        """Wait until `wait_notify` was called for the key; None waits for ever. Returns whether it was. `timeout` in milliseconds."""
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        pause = FIRST_PAUSE_S
        while True:
            with read() as session:
                if limiter_values.exists(session, key):
                    return True
            if deadline is not None and time.monotonic() + pause > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_S)

    def wait_notify(self, key: str, ttl: int) -> None:
        """Wake everyone who waits for the key, now or while the notice lives."""
        with _transaction() as session:
            limiter_values.notify(session, key, ttl)


@contextmanager
def _transaction() -> Iterator[Session]:
    """Open a short transaction; in a transactional actor on SQLite, use the actor's own.

    There the actor's session holds the write lock: a second connection would deadlock with its own actor. The lock also
    keeps other processes out until the actor has ended.
    """
    running = current_job.job
    if running is not None and running.is_transactional and get_database().is_sqlite:
        yield running.session
        return
    with write() as session:
        yield session
