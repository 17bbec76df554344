"""Topology: one quorum queue per Dramatiq queue and its dead-letter queue, with the same arguments on RabbitMQ 3.10 to 4.x.

Arguments cannot be changed once a queue exists; what may change (lengths, TTLs) is a policy, see rabbitmq/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...settings import get_settings

#: Deliveries of one message until RabbitMQ dead-letters it. Prefetched messages of a stopping worker count, too. The job is not lost: its
#: row is published again.
DELIVERY_LIMIT = 20


#: Suffixes of the additional queues for high and low priority. A quorum queue has no priorities before RabbitMQ 4, and only two from then
#: on. So ten priorities are made of three queues and the order in which a worker claims.
HIGH, LOW = ".high", ".low"


def queue_of(queue: str, priority: int) -> str:
    """Return the queue for a message of this priority: 7 to 9 high, 3 to 6 normal, 0 to 2 low."""
    return queue + (HIGH if priority >= 7 else LOW if priority <= 2 else "")


def queues_of(queue: str) -> list[str]:
    """The queues in RabbitMQ that together are one Dramatiq queue."""
    return [queue + HIGH, queue, queue + LOW]


def dead_letter_queue(queue: str) -> str:
    """The name Dramatiq gives the dead-letter queue."""
    return f"{queue}.XQ"


def queue_arguments(queue: str) -> dict[str, Any]:
    """The arguments of a work queue."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": dead_letter_queue(queue),
        # Reject instead of dropping a message when full. Dead-lettering stays at most once. At-least-once uses one supervisor for the
        # whole node (rabbit_fifo_dlx_sup), which queues deleted while they start can end for good; then no such quorum queue works until
        # the node is restarted (rabbitmq-server#16652). A dead letter's contents are in SQL anyway.
        "x-overflow": "reject-publish",
    }


def dead_letter_arguments() -> dict[str, Any]:
    """The arguments of a dead-letter queue; how long it keeps messages is a policy."""
    return {"x-queue-type": "quorum"}


def declare(channel: Any, queue: str) -> None:
    """Declare a work queue, its queues for other priorities and its dead-letter queue on a blocking channel."""
    for name, arguments in declarations(queue, queues_of(queue)).items():
        channel.queue_declare(queue=name, durable=True, arguments=arguments)


def declarations(queue: str, routes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the queues to declare, with arguments, before these routes of a Dramatiq queue are used; the dead-letter queue first.

    A queue of Celery producers is theirs to declare: with our arguments first, each of their publishes would fail.
    """
    theirs = get_settings().celery_queue_names
    return {dead_letter_queue(queue): dead_letter_arguments()} | {route: queue_arguments(queue) for route in routes if route not in theirs}
