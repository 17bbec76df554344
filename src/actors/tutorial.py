"""The first background task, and one that prints its own request."""

from __future__ import annotations

import time

import dramatiq

from ..jobs import current_job


@dramatiq.actor(max_retries=0)
def count() -> str:
    """Count from one to ten, printing a line each second."""
    for number in range(1, 11):
        time.sleep(1)
        print(number, flush=True)
        current_job.progress(number, 10, f"counted to {number}")
    return "Completed"


@dramatiq.actor(max_retries=0)
def debug_message() -> dict[str, object]:
    """Print the job's own request, and return it."""
    request: dict[str, object] = {
        "id": current_job.id,
        "actor": current_job.actor,
        "queue": current_job.queue,
        "attempt": current_job.attempt,
        "worker": current_job.worker,
    }
    print(f"Request: {request!r}", flush=True)
    return request
