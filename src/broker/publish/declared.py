"""Declared queues of one channel, and the envelopes that wait for their queue's declaration."""

from __future__ import annotations

from typing import Any

from ...jobs.core.envelopes import Envelope
from ..core import topology


class Declared:
    """Declares one queue at a time, so that a channel closed over other arguments identifies the queue."""

    def __init__(self) -> None:
        self.declaring: str | None = None
        self._there: set[str] = set()
        self._kept_as_is: set[str] = set()  # queues that exist with other arguments
        self._waiting: dict[str, list[Envelope]] = {}

    @property
    def is_waited_for(self) -> bool:
        return bool(self._waiting)

    def __contains__(self, route: str) -> bool:
        return route in self._there or route in self._kept_as_is

    def restart(self) -> list[Envelope]:
        """Start again for a new channel; return the envelopes that waited, in order."""
        waiting = [envelope for envelopes in self._waiting.values() for envelope in envelopes]
        self._waiting.clear()
        self._there.clear()
        self.declaring = None
        return waiting

    def wait(self, route: str, envelope: Envelope) -> None:
        """Keep an envelope until its queue exists."""
        self._waiting.setdefault(route, []).append(envelope)

    def begin(self) -> tuple[tuple[str, dict[str, Any]] | None, list[Envelope]]:
        """Return the next queue to declare, name and arguments, and the envelopes that need not wait any longer."""
        ready: list[Envelope] = []
        while self._waiting and self.declaring is None:
            route = next(iter(self._waiting))
            needed = topology.declarations(self._waiting[route][0].queue, [route])
            missing = next((name for name in needed if name not in self), None)
            if missing is not None:
                self.declaring = missing
                return (missing, needed[missing]), ready
            self._there.add(route)  # also one that its producers declare, until RabbitMQ returns a message
            ready += self._waiting.pop(route)
        return None, ready

    def end(self) -> None:
        """Record that the queue that was being declared exists."""
        if self.declaring is not None:
            self._there.add(self.declaring)
        self.declaring = None

    def keep_as_is(self, name: str) -> None:
        """Record that the queue exists with other arguments, which a publisher cannot change."""
        self._kept_as_is.add(name)

    def forget(self, name: str) -> None:
        """Record that the queue is gone."""
        self._there.discard(name)
        self._kept_as_is.discard(name)
