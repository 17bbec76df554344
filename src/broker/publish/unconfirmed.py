"""Unconfirmed messages of one channel, by delivery tag."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple

from ...jobs.core.envelopes import Envelope

#: Seconds without a single confirm, while some are due, after which a connection is closed. RabbitMQ under load confirms late, but it does
#: confirm; without a limit a broker that accepts publishes and stays silent would be awaited for ever.
CONFIRM_WITHIN_S = 15.0


class Answered(NamedTuple):
    """Result of a confirm: messages accepted by RabbitMQ, and messages returned because their queue is gone."""

    confirmed: list[Envelope]
    returned: list[Envelope]


class Unconfirmed:
    """Used only by the publisher's I/O thread."""

    def __init__(self) -> None:
        self._envelopes: OrderedDict[int, Envelope] = OrderedDict()
        self._returned: set[str] = set()
        self._next_tag = 1
        self._last_confirm = 0.0  # time.monotonic() of the last sign that confirms arrive

    def __len__(self) -> int:
        return len(self._envelopes)

    def restart(self) -> None:
        """Restart at one, as a new channel does."""
        self._next_tag = 1

    def add(self, envelope: Envelope) -> None:
        """Record an envelope that is published next on the channel."""
        if not self._envelopes:
            self._last_confirm = time.monotonic()
        self._envelopes[self._next_tag] = envelope
        self._next_tag += 1

    def note_return(self, id: str) -> None:
        """Record a returned message: the confirm that follows must not count."""
        self._returned.add(id)

    def answer(self, method: Any) -> Answered:
        """Remove the messages that a Basic.Ack or Basic.Nack refers to.

        A nack (the queue is full, or a node is failing) is neither: the row stays unpublished, and the relay tries
        again later.
        """
        self._last_confirm = time.monotonic()
        answered = Answered([], [])
        for tag in self._tags(method):
            envelope = self._envelopes.pop(tag, None)
            if envelope is None:
                continue
            if envelope.id in self._returned:
                self._returned.discard(envelope.id)
                answered.returned.append(envelope)
            elif method.NAME == "Basic.Ack":
                answered.confirmed.append(envelope)
        return answered

    def is_overdue(self) -> bool:
        """True if confirms have been due for so long without any that the connection must be closed."""
        return bool(self._envelopes) and time.monotonic() - self._last_confirm > CONFIRM_WITHIN_S

    def take_back(self) -> list[Envelope]:
        """Remove all of them, in order, for the next channel: a message that arrives twice starts no second attempt."""
        envelopes = list(self._envelopes.values())
        self._envelopes.clear()
        return envelopes

    def _tags(self, method: Any) -> Iterable[int]:
        if not method.multiple:
            return [method.delivery_tag]
        tags = []
        for tag in self._envelopes:
            if tag > method.delivery_tag:
                break
            tags.append(tag)
        return tags
