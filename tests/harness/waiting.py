"""Wait for a condition: tests never sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def eventually(condition: Callable[[], Value], *, deadline_s: float = 10.0, interval_s: float = 0.02, what: str = "") -> Value:
    """Call `condition` until it returns a true value and return that; fail after `deadline_s` with its last result.

    An AssertionError inside `condition` counts as "not yet"; any other exception ends the wait.
    """
    deadline = time.monotonic() + deadline_s
    while True:
        said: object
        try:
            value = condition()
            if value:
                return value
            said = value
        except AssertionError as error:
            said = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {deadline_s} s: {what or getattr(condition, '__name__', condition)}; last: {said!r}")
        time.sleep(interval_s)
