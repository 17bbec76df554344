"""Requeue dead letters, if the caller may submit jobs of their actors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...broker.recover import dead_letter_contents as contents
from ...broker.recover import dead_letters
from ...broker.recover.dead_letters import Requeued
from ..people import permissions


def requeue(queue: str) -> Requeued:
    """Requeue the dead letters of a queue, except those of actors with a higher `submit_role`. Raises BrokerAway."""
    beyond = set(permissions.beyond())
    if not beyond:
        return dead_letters.requeue(queue)
    return dead_letters.requeue(queue, takes=lambda body: contents.actor_of(body) not in beyond)


def requeue_one(queue: str, key: str, *, arguments: Mapping[str, Any] | None = None) -> None:
    """Requeue one dead letter, with other `args` and `kwargs` if given. Raises UnknownLetter, NotEditable, BrokerAway, Forbidden."""
    contents.requeue_one(queue, key, arguments=arguments, permit=lambda actor: permissions.require_submit(actor or ""))
