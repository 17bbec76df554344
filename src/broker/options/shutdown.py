"""Shutdown notice: actors that opt in get Dramatiq's Shutdown exception when their worker begins to stop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dramatiq import Actor, Middleware
from dramatiq.broker import Broker
from dramatiq.middleware import Shutdown

from ..core.load import Started
from .errors import InvalidOption


class ShutdownNotifications(Middleware):
    """Declare `notify_shutdown=True`, like Dramatiq's own; here the exception is raised only in the actor's call."""

    @property
    def actor_options(self) -> set[str]:
        return {"notify_shutdown"}

    def before_declare_actor(self, broker: Broker, actor: Actor[Any, Any]) -> None:
        if not isinstance(actor.options.get("notify_shutdown", False), bool):
            raise InvalidOption(actor.actor_name, f"notify_shutdown must be True or False, not {actor.options['notify_shutdown']!r}")


def notify(broker: Broker, attempts: Iterable[Started]) -> None:
    """Raise Shutdown in the running attempts whose message or actor opts in."""
    for running in attempts:
        wanted = running.delivery.options.get("notify_shutdown")
        if wanted is None:
            wanted = broker.actors[running.job.actor].options.get("notify_shutdown")
        if wanted:
            running.interrupt(Shutdown)
