"""Rate limit of requests per token or user: an even rate with a burst of one period, stated in the headers of every response.

Each web process counts in memory. The limit only keeps a runaway client from starving others.
A database write per read would cost more than it protects.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Response, g
from werkzeug.exceptions import TooManyRequests

from ....jobs.limits.rates import Rate, parse
from ....settings import get_settings
from ...auth import visitor

#: clients remembered; above that, clients with a full budget are dropped
MOST_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class Left:
    """Remaining quota of a client: requests left now, and seconds until more are allowed."""

    allowed: bool
    remaining: int
    wait_s: int


class Budget:
    """Rate limiter of this process for all clients (generic cell rate algorithm)."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._spacing = rate.period_s / rate.count
        self._free_at: dict[str, float] = {}  # when the client's budget is full again
        self._lock = threading.Lock()

    def take(self, client: str) -> Left:
        """Count one request of this client; a rejected request is not counted."""
        present = self._clock()
        with self._lock:
            if len(self._free_at) >= MOST_CLIENTS:
                self._free_at = {name: free_at for name, free_at in self._free_at.items() if free_at > present}
            free_at = max(self._free_at.get(client, present), present) + self._spacing
            room = self.rate.period_s - (free_at - present)
            if room < -1e-9:
                return Left(allowed=False, remaining=0, wait_s=max(1, -int(room // 1)))
            self._free_at[client] = free_at
        return Left(allowed=True, remaining=int(room / self._spacing + 1e-9), wait_s=max(1, int(free_at - present)))


def budget() -> Budget | None:
    """The rate limit of the settings; raises ValueError with the cure."""
    text = get_settings().api_rate.strip()
    if not text:
        return None
    try:
        [rate] = parse(text)
    except ValueError:
        raise ValueError(f"CALLBOARD_API_RATE={text!r} is not a rate: write e.g. 600/m, or leave it empty for no limit.") from None
    return Budget(rate)


def check(clients: Budget | None) -> None:
    """Count the current request; raise 429 above the limit."""
    if clients is None:
        return
    g.budget_left = left = clients.take(visitor().key)
    if not left.allowed:
        refused = TooManyRequests(
            f"Rate limit of {clients.rate} exceeded. Retry in {left.wait_s} s; POST /api/v1/jobs/bulk submits many jobs at once."
        )
        refused.retry_after = left.wait_s
        raise refused


def tell(clients: Budget | None, response: Response) -> Response:
    """Add the RateLimit headers (IETF HTTP API draft)."""
    left: Left | None = g.get("budget_left")
    if clients is not None and left is not None:
        response.headers["RateLimit-Policy"] = f'"api";q={clients.rate.count};w={clients.rate.period_s}'
        response.headers["RateLimit"] = f'"api";r={left.remaining};t={left.wait_s}'
    return response
