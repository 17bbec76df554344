"""Error of every middleware for an invalid option of an actor."""

from __future__ import annotations

from dramatiq.middleware import MiddlewareError


class InvalidOption(MiddlewareError, ValueError):
    """An actor's option has an invalid value; raised at import, from `before_declare_actor`.

    Dramatiq only logs other hooks and exceptions, and the actor would run without its option.
    """

    def __init__(self, actor: str, complaint: str) -> None:
        super().__init__(f"{actor}: {complaint}")
