"""Soft time limits: an actor that runs too long gets TimeLimitExceeded in its thread. Raised by interrupts.py."""

from __future__ import annotations

from typing import Any

from dramatiq import Actor, Middleware
from dramatiq.broker import Broker

from .errors import InvalidOption

#: milliseconds: the default time limit
DEFAULT_LIMIT = 600_000


class TimeLimit(Middleware):
    """Declares `time_limit` in milliseconds; float("inf") for none."""

    @property
    def actor_options(self) -> set[str]:
        return {"time_limit"}

    def before_declare_actor(self, broker: Broker, actor: Actor[Any, Any]) -> None:
        limit = actor.options.get("time_limit")
        if limit is not None and (not isinstance(limit, int | float) or isinstance(limit, bool) or limit <= 0):
            raise InvalidOption(actor.actor_name, f"time_limit must be a number of milliseconds above 0, not {limit!r}")
