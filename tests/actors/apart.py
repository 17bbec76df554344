"""An isolated actor: a worker that knows one starts a process that forks processes for its attempts, which takes a second."""

from __future__ import annotations

import dramatiq


@dramatiq.actor(max_retries=0, isolated=True)
def return_much_apart(length: int) -> str:
    """The same from a process of its own."""
    return "x" * length
