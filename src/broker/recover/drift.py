"""Drift: differences between SQL and RabbitMQ in a queue's waiting messages; the reconciler or a worker repairs them.

SQL is right. RabbitMQ's numbers are some seconds old, so only differences that this cannot explain count: jobs
confirmed a minute ago or more that still wait, and messages in excess of all that could have been consumed in some
seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...jobs.read.queries import QueueCounts
from .management import Overview

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


def of(queue: str, counted: QueueCounts | None, broker: Overview) -> Drift | None:
    """Return the drift of one queue; None: RabbitMQ's numbers are unknown."""
    if not broker.is_counted:
        return None
    there = broker.of(queue)
    ready, unacked, out_rate = (there.ready, there.unacked or 0, there.out_rate or 0.0) if there else (0, 0, 0.0)
    counted = counted or QueueCounts(queue)
    held = ready + unacked
    wanted = counted.queued + counted.running + math.ceil(out_rate * BEHIND_S)
    return Drift(counted.unpublished, max(0, counted.settled - held), max(0, held - wanted))
