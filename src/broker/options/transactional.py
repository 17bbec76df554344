"""Transactional actors: the middleware that owns the option; the executor commits."""

from __future__ import annotations

from typing import Any

from dramatiq import Actor, Middleware
from dramatiq.broker import Broker

from .errors import InvalidOption


class Transactional(Middleware):
    """Declare `transactional=True`: `current_job.session` commits together with the end of the attempt.

    On SQLite the session holds the write lock from its first statement to the end of the actor: work first, write last.
    """

    @property
    def actor_options(self) -> set[str]:
        return {"transactional"}

    def before_declare_actor(self, broker: Broker, actor: Actor[Any, Any]) -> None:
        if not isinstance(actor.options.get("transactional", False), bool):
            raise InvalidOption(actor.actor_name, f"transactional must be True or False, not {actor.options['transactional']!r}")
