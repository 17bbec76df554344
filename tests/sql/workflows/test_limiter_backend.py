"""Dramatiq's rate limiters and barriers on SQL, through the interface of Dramatiq's own backends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from dramatiq import RateLimitExceeded
from dramatiq.rate_limits import Barrier, BucketRateLimiter, ConcurrentRateLimiter, WindowRateLimiter
from sqlalchemy import func, select

from src.broker import SqlRateLimiterBackend
from src.jobs.limits.models import LimiterValue
from src.jobs.upkeep import retention
from src.sql.clock import clock
from src.sql.database import Database
from tests.harness.services import random_name

pytestmark = pytest.mark.both_stores

HOUR = 3_600_000
backend = SqlRateLimiterBackend()


@pytest.fixture
def key(database: Database) -> str:
    return random_name("key")


@pytest.fixture
def forward(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let so many milliseconds pass at once, and none otherwise."""
    begun, passed = datetime.now(UTC), timedelta(0)
    monkeypatch.setattr(clock, "now", lambda: begun + passed)

    def move(milliseconds: float) -> None:
        nonlocal passed
        passed += timedelta(milliseconds=milliseconds)

    return move


def at_once(count: int, call: Callable[[], bool]) -> list[bool]:
    """Call from so many threads at the same moment."""
    together = threading.Barrier(count)

    def one(_: int) -> bool:
        together.wait()
        return call()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_add_sets_a_value_only_where_no_live_one_is(key: str, forward: Callable[[float], None]) -> None:
    assert backend.add(key, 1, 1000)
    assert not backend.add(key, 2, 1000)
    forward(1001)
    assert backend.add(key, 3, 1000)
    assert backend.incr(key, 1, 4, 1000)
    assert not backend.incr(key, 1, 4, 1000)


def test_of_many_adds_at_once_one_wins(key: str) -> None:
    assert sum(at_once(16, lambda: backend.add(key, 1, HOUR))) == 1


def test_incr_keeps_to_the_maximum_and_an_absent_value_is_0(key: str, forward: Callable[[float], None]) -> None:
    assert backend.incr(key, 2, 3, 1000)
    assert not backend.incr(key, 2, 3, 1000)
    assert backend.incr(key, 1, 3, 1000)
    assert not backend.incr(f"{key} other", 4, 3, 1000)
    forward(1001)
    assert backend.incr(key, 3, 3, 1000)


def test_success_renews_the_time_to_live_and_a_refusal_does_not(key: str, forward: Callable[[float], None]) -> None:
    assert backend.incr(key, 1, 2, 1000)
    forward(900)
    assert backend.incr(key, 1, 2, 1000)
    forward(900)
    assert not backend.incr(key, 1, 2, 1000)
    forward(200)
    assert backend.incr(key, 2, 2, 1000)


def test_decr_keeps_to_the_minimum(key: str) -> None:
    assert not backend.decr(key, 1, 0, HOUR)
    assert backend.add(key, 2, HOUR)
    assert backend.decr(key, 1, 1, HOUR)
    assert not backend.decr(key, 1, 1, HOUR)
    assert backend.decr(f"{key} other", 3, -5, HOUR)
    assert backend.incr(f"{key} other", 5, 2, HOUR)


def test_incr_at_once_never_exceeds_the_maximum(key: str) -> None:
    assert sum(at_once(16, lambda: backend.incr(key, 1, 5, HOUR))) == 5


def test_incr_and_sum_at_once_never_exceeds_the_sum(key: str) -> None:
    keys = [f"{key}@{number}" for number in range(4)]
    turn = iter(range(1000))

    def one() -> bool:
        return backend.incr_and_sum(keys[next(turn) % 4], lambda: keys, 1, 5, HOUR)

    assert sum(at_once(16, one)) == 5


def test_keys_of_any_length_and_kind_are_kept_apart(key: str) -> None:
    long = key + "x" * 1000
    assert backend.add(long + "a", 1, HOUR)
    assert backend.add(long + "b", 1, HOUR)
    assert not backend.add(long + "a", 1, HOUR)
    assert backend.add(f"{key}\x00ä", 1, HOUR)


def test_concurrent_rate_limiter_lets_so_many_in_and_gives_back(key: str) -> None:
    limiter = ConcurrentRateLimiter(backend, key, limit=2)
    with limiter.acquire(), limiter.acquire():
        with limiter.acquire(raise_on_failure=False) as acquired:
            assert not acquired
        with pytest.raises(RateLimitExceeded), limiter.acquire():
            pass
    with limiter.acquire() as acquired:
        assert acquired


def test_bucket_rate_limiter_counts_by_buckets(key: str) -> None:
    limiter = BucketRateLimiter(backend, key, limit=3, bucket=60_000)

    def one() -> bool:
        with limiter.acquire(raise_on_failure=False) as acquired:
            return bool(acquired)

    # A minute may begin between the calls; then there are two buckets.
    assert sum(at_once(12, one)) in (3, 6)


@pytest.mark.long
def test_window_rate_limiter_holds_in_every_window(key: str) -> None:
    limiter = WindowRateLimiter(backend, key, limit=2, window=1)
    starts: list[int] = []
    deadline = time.monotonic() + 2.2
    while time.monotonic() < deadline:
        second = int(time.time())
        with limiter.acquire(raise_on_failure=False) as acquired:
            if acquired and second == int(time.time()):  # else the limiter may have counted it in the second before
                starts.append(second)
        time.sleep(0.02)

    assert 2 <= len(starts) <= 8
    assert all(starts.count(second) <= 2 for second in starts)


def test_a_barrier_is_passed_by_the_last_party(key: str) -> None:
    barrier = Barrier(backend, key, ttl=30_000)
    assert barrier.create(parties=3)
    assert not barrier.create(parties=10)

    assert [barrier.wait(block=False) for _ in range(3)] == [False, False, True]


def test_a_barrier_lets_everybody_go_at_once(key: str) -> None:
    barrier = Barrier(backend, key, ttl=30_000)
    barrier.create(parties=5)

    assert at_once(5, lambda: bool(barrier.wait(timeout=20_000))) == [True] * 5


def test_waiting_ends_at_the_timeout(key: str) -> None:
    barrier = Barrier(backend, key, ttl=30_000)
    barrier.create(parties=2)
    begun = time.monotonic()

    assert barrier.wait(timeout=300) is False
    assert 0.2 < time.monotonic() - begun < 5


def test_expired_values_are_forgotten(database: Database, key: str, forward: Callable[[float], None]) -> None:
    backend.add(f"{key} short", 1, 1000)
    backend.add(f"{key} long", 1, HOUR)
    forward(1001)

    with database.write() as session:
        retention.tidy(session)
        assert session.execute(select(func.count()).select_from(LimiterValue)).scalar_one() == 1
    assert not backend.add(f"{key} long", 1, HOUR)
