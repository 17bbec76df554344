"""Messages of Celery: deliveries of the queues that CALLBOARD_CELERY_QUEUES names, and the hook that makes jobs of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from ...hooks import Hook


class CeleryMessage(NamedTuple):
    """One delivery. `properties`: pika's, with the headers. `redelivered`: RabbitMQ has delivered it before."""

    queue: str
    properties: Any
    body: bytes
    redelivered: bool


#: inserts the rows of messages in the claimer's transaction; importing src/celery connects it
celery_inbox: Hook[Callable[[Session, Sequence[CeleryMessage]], None]] = Hook("celery_inbox")
