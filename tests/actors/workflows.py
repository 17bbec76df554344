"""Actors of the workflow tests, loaded by real worker commands through CALLBOARD_ACTORS."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dramatiq
from dramatiq.rate_limits import Barrier, BucketRateLimiter, ConcurrentRateLimiter, WindowRateLimiter

import src.actors  # noqa: F401 - in a test's own process: the broker that these actors belong to
from src.broker import SqlRateLimiterBackend
from src.jobs import current_job

QUEUE = "workflows"
backend = SqlRateLimiterBackend()


def _actor(**options: Any) -> Callable[[Callable[..., Any]], dramatiq.Actor[..., Any]]:
    """Declare an actor whose messages may be built without the arguments that a step before it hands on."""
    return dramatiq.actor(queue_name=QUEUE, **{"min_backoff": 50, "max_backoff": 200, **options})


@_actor()
def plus(x: float, y: float) -> float:
    """Add two numbers."""
    return x + y


@_actor()
def times(x: float, y: float) -> float:
    """Multiply two numbers."""
    return x * y


@_actor()
def total(numbers: list[float]) -> float:
    """Add up a list of numbers."""
    return sum(numbers)


@_actor()
def keep(*args: Any) -> list[Any]:
    """Return what it was given, so that a test can see it."""
    return list(args)


@_actor(actor_name="fail_in_a_workflow", max_retries=0)
def fail(*args: Any) -> None:
    """Fail for good."""
    raise ValueError("it is broken")


@_actor(max_retries=2)
def shaky(number: int) -> int:
    """Fail at the first attempt."""
    if current_job.attempt == 1:
        raise RuntimeError("the first attempt fails")
    return number


@_actor(max_retries=0)
def unless(path: str, value: Any, *_: Any) -> Any:
    """Fail as long as a file exists."""
    if Path(path).exists():
        raise RuntimeError("not mended yet")
    return value


@_actor()
def slow(number: int, length_ms: int = 100) -> int:
    """Take some time."""
    time.sleep(length_ms / 1000)
    return number


@_actor(max_retries=0, throws=())
def member(number: int, path: str) -> int:
    """A member of the chaos group: every tenth fails as long as the file exists; all take a moment."""
    time.sleep(0.15)
    if number % 10 == 0 and Path(path).exists():
        raise RuntimeError("not mended yet")
    return number


@_actor(max_retries=100)
def alone(folder: str) -> str:
    """Enter a section that only one may be in, and note how many are."""
    with ConcurrentRateLimiter(backend, f"alone:{folder}", limit=1, ttl=30_000).acquire():
        mine = Path(folder) / current_job.id
        mine.touch()
        inside = len(list(Path(folder).iterdir()))
        time.sleep(0.02)
        mine.unlink()
        if inside > 1:
            (Path(folder) / "crowded").touch()
    return str(current_job.id)


@_actor(max_retries=100)
def in_bucket(key: str) -> float:
    """Run at most twice a second, by buckets."""
    with BucketRateLimiter(backend, key, limit=2, bucket=1_000).acquire():
        return time.time()


@_actor(max_retries=100)
def in_window(key: str) -> float:
    """Run at most twice in any two seconds."""
    with WindowRateLimiter(backend, key, limit=2, window=2).acquire():
        return time.time()


@_actor()
def meet(key: str, parties: int) -> bool:
    """Wait until all have come."""
    return bool(Barrier(backend, key, ttl=30_000).wait(timeout=20_000))


@_actor(transactional=True)
def send_group(numbers: list[int], callback: str) -> int:
    """Run a Dramatiq group with a callback from within the actor's own transaction."""
    assert current_job.session is not None
    members = dramatiq.group([times.message(number, 2) for number in numbers])
    members.add_completion_callback(keep.message(callback))
    members.run()
    return len(members)
