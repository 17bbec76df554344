"""Actors that only tests have."""

from __future__ import annotations

import time

import dramatiq

from src.jobs import current_job


@dramatiq.actor(queue_name="linger", max_retries=0)
def linger(looks: int = 2000) -> str:
    """Wait to be cancelled."""
    for look in range(looks):
        time.sleep(0.05)
        current_job.progress(look + 1, looks, f"looked {look + 1} times")
    return "nobody came"


@dramatiq.actor(queue_name="linger", max_retries=0)
def mutter(pauses: int = 4) -> str:
    """Print the instant, wait, and again."""
    for _ in range(pauses):
        print(f"said at {time.time():.3f}")
        time.sleep(1.5)
    return "fell silent"
