"""Actors whose endings the tests of the broker room check."""

from __future__ import annotations

from datetime import date
from typing import Any

import dramatiq

from src.jobs import CircuitBreaker

#: the remote service that `call_remote` depends on
remote = {"is_away": False}


@dramatiq.actor(
    max_retries=1, min_backoff=1, max_backoff=1, circuit_breaker=CircuitBreaker(failures=2, on=(ConnectionError,), probe_every=60_000)
)
def call_remote(number: int) -> int:
    """Fail while the remote service is away; a negative number is a mistake of its own."""
    if number < 0:
        raise ValueError(f"{number} is below 0")
    if remote["is_away"]:
        raise ConnectionRefusedError("away")
    return number


@dramatiq.actor(max_retries=0, unique=True)
def once(value: Any) -> Any:
    """Return the argument; one job of each argument at a time."""
    if value == "fail":
        raise ValueError("failed")
    return f"once {value}"


@dramatiq.actor(max_retries=0)
def return_values(*values: Any) -> list[Any]:
    """Return the arguments."""
    return list(values)


@dramatiq.actor(max_retries=0)
def greet(name: str, *, title: str = "", born: date | None = None) -> str:
    """Greet by name; `title` came with a later version."""
    return f"{title} {name}".strip()
