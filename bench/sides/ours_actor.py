"""Callboard's no-op, named in CALLBOARD_ACTORS: the only actor its workers load."""

from __future__ import annotations

import dramatiq

from bench import tally


@dramatiq.actor(queue_name="bench", actor_name="noop")
def noop() -> int:
    """Do nothing."""
    tally.count()
    return 0
