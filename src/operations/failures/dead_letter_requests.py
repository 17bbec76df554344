"""Requeue dead letters, if the caller may submit jobs of their actors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dramatiq import Message

from ...broker.recover import dead_letter_contents as contents
from ...broker.recover import dead_letters
from ...broker.recover.dead_letters import Requeued
from ...jobs.control import reach
from ...jobs.control.reach import Call
from ..people import permissions
from ..people.caller import Forbidden


def requeue(queue: str) -> Requeued:
    """Requeue the dead letters of a queue, except those that run an actor with a higher `submit_role`. Raises BrokerAway."""
    if not permissions.beyond():
        return dead_letters.requeue(queue)
    return dead_letters.requeue(queue, takes=_takes)


def requeue_one(queue: str, key: str, *, arguments: Mapping[str, Any] | None = None) -> None:
    """Requeue one dead letter, with other `args` and `kwargs` if given. Raises UnknownLetter, NotEditable, BrokerAway, Forbidden."""
    contents.requeue_one(queue, key, arguments=arguments, permit=_permit)


def _takes(body: bytes) -> bool:
    try:
        _permit(contents.message_of(body))
    except Forbidden:
        return False
    return True


def _permit(message: Message[Any] | None) -> None:
    if message is not None:
        permissions.require_reach(reach.of_calls(Call(message.actor_name, message.args, message.kwargs, message.options)))
