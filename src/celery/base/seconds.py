"""Reading of a time in seconds: a number, a text with one, or a timedelta."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any


def seconds(name: str, given: Any, least: float | None = None) -> float:
    """Return a finite number of seconds, above `least` if that is given. Raises ValueError naming the option."""
    number = given.total_seconds() if isinstance(given, timedelta) else given
    try:
        number = float(number) if isinstance(number, str) else number
    except ValueError:
        number = None
    if (
        isinstance(number, bool)
        or not isinstance(number, int | float)
        or not math.isfinite(number)
        or (least is not None and number <= least)
    ):
        raise ValueError(f"{name} must be a number of seconds{'' if least is None else f' above {least:g}'}, not {given!r:.60}")
    return int(number) if number == int(number) else number
