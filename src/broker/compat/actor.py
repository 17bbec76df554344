"""JobsActor: Dramatiq's actor, whose messages have ids in the order of time."""

from __future__ import annotations

from typing import Any, ParamSpec, TypeVar

from dramatiq import Actor, Message

from ...jobs.submit.submission import new_id
from ...keywords import named, positional

P = ParamSpec("P")
R = TypeVar("R")


class JobsActor(Actor[P, R]):
    """The class that the broker gives to every actor declared on it.

    Dramatiq draws ids at random. In an index of millions of jobs each would be written to a page of its own.
    """

    def message_with_options(self, *, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None, **options: Any) -> Message[R]:
        """Build a message with options. Raises TypeError if a callback is not an actor, or args is a text or a mapping."""
        message = super().message_with_options(args=positional(args), kwargs=named(kwargs), **options)
        object.__setattr__(message, "message_id", new_id())  # in place: a copy takes longer, and no other code has the message yet
        return message
