"""Wiring: the one file that connects each hook with the part that a higher room provides.

Every process that imports `src.actors` calls `connect` there: workers, the web front end, schedulers, commands. In a
program that imports only `src.jobs`, the first hook that is used calls it, by the name of this module (src/hooks.py).
It loads no actors and sets no final broker (src/early_actors.py), because such a program may have a Dramatiq broker of
its own. So messages of actors are made here from their names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dramatiq import Message
from sqlalchemy.orm import Session

from .actor_schema import search_fields
from .broker.publish.publisher import hand_off
from .broker.recover import reconciler
from .hooks import Hook
from .jobs import Submission, submit_many
from .jobs.core import envelopes
from .jobs.failures import counting
from .jobs.search import texts
from .jobs.submit.submission import new_id
from .jobs.webhooks import events

#: all hooks
HOOKS: tuple[Hook[Any], ...] = (envelopes.publisher, events.delivery, counting.failure_mail, texts.search_fields, reconciler.fleet_watch)


def connect(*, fleet_watch: Callable[[], object] | None = None) -> None:
    """Connect each hook that has no part yet. Only `src.actors` can provide the fleet watch, which workers need."""
    envelopes.publisher.connect_first(hand_off)
    events.delivery.connect_first(events.Deliver("deliver_webhook", submit_deliveries))
    counting.failure_mail.connect_first(failure_mail)
    texts.search_fields.connect_first(search_fields.arguments)
    if fleet_watch is not None:
        reconciler.fleet_watch.connect_first(fleet_watch)


def delivery(id: str) -> Message[Any]:
    """Build the message of src/actors/webhooks.py that makes a delivery."""
    return Message("webhooks", "deliver_webhook", (id,), {}, {}, new_id())


def submit_deliveries(session: Session, ids: Sequence[str], by: str | None) -> None:
    """Submit the jobs that make these deliveries."""
    submit_many(session, [Submission(delivery(id), source="webhook", submitted_by=by) for id in ids])


def failure_mail() -> Message[Any]:
    """Build the message of src/actors/notifications/failure_notifications.py that counts failures and mails them."""
    return Message("mail", "mail_failures", (), {}, {}, new_id())


def unconnected() -> list[str]:
    """Return the names of hooks that are not connected in this process."""
    return [hook.name for hook in HOOKS if not hook.is_connected]
