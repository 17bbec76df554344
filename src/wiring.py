"""Wiring: the one file that connects each hook with the part that a higher room provides.

Every process imports `src.actors` first, which calls `connect`: `dramatiq src.actors`, the web front end, schedulers,
commands, and programs that submit jobs with `src.jobs`. A hook that is not connected raises NotConnected when it is
used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dramatiq import Message

from .broker.publish.publisher import hand_off
from .broker.recover import reconciler
from .hooks import Hook
from .jobs.core import envelopes
from .jobs.failures import counting
from .jobs.search import texts
from .jobs.webhooks import events

#: all hooks
HOOKS: tuple[Hook[Any], ...] = (envelopes.publisher, events.delivery, counting.failure_mail, texts.search_fields, reconciler.fleet_watch)


def connect(
    *,
    webhook_delivery: events.Deliver,
    failure_mail: Callable[[], Message[Any]],
    search_fields: texts.Reading,
    fleet_watch: Callable[[], object],
) -> None:
    """Connect every hook; the arguments are the parts that actors provide."""
    envelopes.publisher.connect(hand_off)
    events.delivery.connect(webhook_delivery)
    counting.failure_mail.connect(failure_mail)
    texts.search_fields.connect(search_fields)
    reconciler.fleet_watch.connect(fleet_watch)


def unconnected() -> list[str]:
    """Return the names of hooks that are not connected in this process."""
    return [hook.name for hook in HOOKS if not hook.is_connected]
