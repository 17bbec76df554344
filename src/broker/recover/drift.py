"""Drift: differences between SQL and RabbitMQ in a queue's waiting messages; the reconciler or a worker repairs them.

SQL is right. RabbitMQ's numbers are some seconds old, so only differences that this cannot explain count: jobs
confirmed a minute ago or more that still wait, and messages in excess of all that could have been consumed in some
seconds.
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

#: RabbitMQ's numbers include messages confirmed this long ago
SETTLED = timedelta(seconds=60)
#: maximum age of RabbitMQ's numbers in seconds, including our caching
BEHIND_S = 15.0


@dataclass(frozen=True, slots=True)
class Drift:
    """Difference of one queue between SQL and RabbitMQ."""

    unpublished: int = 0  # jobs not in RabbitMQ yet
    missing: int = 0  # jobs whose confirmed message is no longer in RabbitMQ
    surplus: int = 0  # messages that no waiting or running job needs

    @property
    def is_none(self) -> bool:
        """True if both agree, apart from messages in transit."""
        return not (self.missing or self.surplus)


def waiting(session: Session) -> dict[str, Waiting]:
    """Return SQL's record of each queue's messages."""
    return lost_messages.waiting(session, settled_before=now() - SETTLED)


def of(queue: str, ours: Waiting | None, counted: QueueCounts | None, broker: Overview) -> Drift | None:
    """Return the drift of one queue; None: RabbitMQ's numbers are unknown."""
    if not broker.is_counted:
        return None
    there = broker.of(queue)
    ready, unacked, out_rate = (there.ready, there.unacked or 0, there.out_rate or 0.0) if there else (0, 0, 0.0)
    ours = ours or Waiting()
    held = ready + unacked
    wanted = (counted.queued + counted.running if counted else 0) + math.ceil(out_rate * BEHIND_S)
    return Drift(ours.unpublished, max(0, ours.settled - held), max(0, held - wanted))
