"""Drift: where SQL and RabbitMQ differ in what waits in a queue, and by how much; what mends it is the reconciler, or a worker.

SQL is right. RabbitMQ's numbers are some seconds old, so only such a difference counts as cannot come from that: jobs whose message
it confirmed a minute ago and more and that still wait, and messages beyond all that could have been taken in some seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from ...jobs.read.queries import QueueCounts
from ...jobs.relay import lost_messages
from ...jobs.relay.lost_messages import Waiting
from ...sql.clock import now
from .management import Overview

#: a message that RabbitMQ confirmed so long ago is in its numbers
SETTLED = timedelta(seconds=60)
#: seconds that RabbitMQ's numbers may be old, with the time that we keep them
BEHIND_S = 15.0


@dataclass(frozen=True, slots=True)
class Drift:
    """Difference of one queue between SQL and RabbitMQ."""

    unpublished: int = 0  # jobs that RabbitMQ has not got yet
    missing: int = 0  # jobs whose message it had got, and has no more
    surplus: int = 0  # messages that no waiting or running job needs

    @property
    def is_none(self) -> bool:
        """True if both agree, apart from messages on their way."""
        return not (self.missing or self.surplus)


def waiting(session: Session) -> dict[str, Waiting]:
    """Return what SQL knows of each queue's messages."""
    return lost_messages.waiting(session, settled_before=now() - SETTLED)


def of(queue: str, ours: Waiting | None, counted: QueueCounts | None, broker: Overview) -> Drift | None:
    """The drift of one queue; None: RabbitMQ's numbers are not known."""
    if not broker.is_counted:
        return None
    there = broker.of(queue)
    ready, unacked, out_rate = (there.ready, there.unacked or 0, there.out_rate or 0.0) if there else (0, 0, 0.0)
    ours = ours or Waiting()
    held = ready + unacked
    wanted = (counted.queued + counted.running if counted else 0) + math.ceil(out_rate * BEHIND_S)
    return Drift(ours.unpublished, max(0, ours.settled - held), max(0, held - wanted))
