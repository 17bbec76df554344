"""Actors whose jobs lead to further jobs, one way each."""

from __future__ import annotations

import dramatiq

from src.jobs import current_job


@dramatiq.actor(queue_name="traced", max_retries=1, min_backoff=50, max_backoff=100)
def traced_parent() -> str:
    """Fails at first; then sends another job."""
    if current_job.attempt == 1:
        raise ConnectionError("the first time it is away")
    traced_child.send()
    return "sent"


@dramatiq.actor(queue_name="traced_children")
def traced_child(*_: object) -> str:
    """Does nothing."""
    return "done"


@dramatiq.actor(queue_name="traced", isolated=True)
def traced_isolated() -> str:
    """Sends another job from a process of its own."""
    traced_child.send()
    return "sent"


@dramatiq.actor(queue_name="traced", on_success="traced_child")
def traced_with_callback() -> int:
    """Is followed by what the commit that ends it submits."""
    return 7
