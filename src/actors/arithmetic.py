"""Arithmetic, slow and fast: the first example actors."""

from __future__ import annotations

import time

import dramatiq


@dramatiq.actor
def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


@dramatiq.actor
def mul(x: int, y: int) -> int:
    """Multiply two numbers."""
    return x * y


@dramatiq.actor
def xsum(numbers: list[int]) -> int:
    """Add up a list of numbers."""
    return sum(numbers)


@dramatiq.actor(max_retries=0)
def divide(x: float, y: float) -> float:
    """Divide x by y, five seconds later."""
    time.sleep(5)
    return x / y
