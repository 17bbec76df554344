"""Isolation: the middleware that owns `isolated` and `hard_time_limit`. The attempt runs in a child process."""

from __future__ import annotations

from typing import Any

from dramatiq import Actor, Middleware
from dramatiq.broker import Broker

from .errors import InvalidOption


class HardTimeLimitExceeded(Exception):
    """The attempt ran longer than its hard time limit, and its process was killed."""


class ChildDied(Exception):
    """The process of an isolated attempt died before the attempt ended."""


class Isolation(Middleware):
    """Declare `isolated=True` and `hard_time_limit` (milliseconds, implies isolation).

    An isolated attempt runs in its own process. At the hard limit that process and everything it has started are
    killed, whatever they do, and the attempt has failed; the worker goes on.
    """

    @property
    def actor_options(self) -> set[str]:
        return {"isolated", "hard_time_limit"}

    def before_declare_actor(self, broker: Broker, actor: Actor[Any, Any]) -> None:
        name, options = actor.actor_name, actor.options
        isolated, limit = options.get("isolated"), options.get("hard_time_limit")
        if isolated is not None and not isinstance(isolated, bool):
            raise InvalidOption(name, f"isolated must be True or False, not {isolated!r}")
        if limit is None:
            return
        if not is_limit(limit):
            raise InvalidOption(name, f"hard_time_limit must be a number of milliseconds above 0, not {limit!r}")
        if isolated is False:
            raise InvalidOption(name, "a hard_time_limit needs a process of its own: leave isolated=False out, or use time_limit")
        soft = options.get("time_limit")
        if isinstance(soft, int | float) and soft >= limit and soft != float("inf"):
            raise InvalidOption(name, f"time_limit ({soft}) must be below hard_time_limit ({limit}), or it is never reached")


def is_limit(value: Any) -> bool:
    """True for a number of milliseconds above 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def wants(actor: Actor[Any, Any]) -> bool:
    """True if this actor's jobs run in child processes."""
    return bool(actor.options.get("isolated")) or actor.options.get("hard_time_limit") is not None


def terms(actor: Actor[Any, Any], options: dict[str, Any]) -> tuple[bool, float | None]:
    """Return whether this message's attempt runs in a child process, and its hard limit in milliseconds."""
    limit = options.get("hard_time_limit", actor.options.get("hard_time_limit"))
    if limit is not None and not is_limit(limit):
        limit = actor.options.get("hard_time_limit")  # an invalid value in a message must not lift the actor's limit
    return limit is not None or bool(options.get("isolated", actor.options.get("isolated"))), limit
