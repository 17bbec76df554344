"""Refusals by RabbitMQ, per queue: retried with growing pauses, logged once per cause and at each doubling.

A queue that another connection holds exclusively, or a missing permission, closes the channel at each attempt.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

from ...logs import get_logger
from .connections import pauses
from .log_throttle import LogThrottle

log = get_logger(__name__)

#: stands for all queues: the refusal is not about one of them
EVERY = ""
_all: weakref.WeakSet[Refusals] = weakref.WeakSet()


@dataclass(slots=True)
class _Refusal:
    reason: str
    retry_at: float
    pauses: Iterator[float]


class Refusals:
    """Written by one thread; `reasons` reads them from any."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._causes = LogThrottle()
        self._refused: dict[str, _Refusal] = {}
        _all.add(self)

    def note(self, queue: str, reason: str) -> float:
        """Record that the queue is refused for this reason; return the seconds until the next attempt."""
        known = self._refused.get(queue)
        waits = known.pauses if known is not None else pauses()
        pause = next(waits)
        self._refused[queue] = _Refusal(reason, time.monotonic() + pause, waits)
        if times := self._causes.count(f"{queue} {reason}"):
            log.error("broker_refuses", wanted=self._verb, queue=queue or "every queue", detail=reason, times=times)
        return pause

    def waits(self, queue: str) -> bool:
        """True if it is too early to try this queue again."""
        refusal = self._refused.get(queue)
        return refusal is not None and time.monotonic() < refusal.retry_at

    def __contains__(self, queue: str) -> bool:
        return queue in self._refused

    def over(self, queue: str) -> None:
        """Clear the refusal of a queue."""
        if (refusal := self._refused.pop(queue, None)) is not None:
            times = self._causes.over(f"{queue} {refusal.reason}")
            log.info("broker_refuses_no_more", wanted=self._verb, queue=queue or "every queue", times=times)

    def sentences(self) -> dict[str, str]:
        return {queue: f"{self._verb} is refused: {refusal.reason}" for queue, refusal in list(self._refused.items())}


def reasons() -> dict[str, str]:
    """Return RabbitMQ queue -> why this process cannot use it, for all its consumers and its publisher."""
    return {queue: sentence for each in list(_all) for queue, sentence in each.sentences().items()}
