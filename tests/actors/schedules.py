"""Actors for the tests of schedules; their names occur nowhere else."""

from __future__ import annotations

from typing import Annotated, Any

import dramatiq
from pydantic import Field, SecretStr

from src.jobs import current_job


@dramatiq.actor(queue_name="scheduled", max_retries=0)
def sched_work(number: Annotated[int, Field(ge=1, le=99)] = 1) -> str | None:
    """Say which tick this is."""
    return current_job.scheduled_for.isoformat() if current_job.scheduled_for else None


@dramatiq.actor(queue_name="scheduled", max_retries=0)
def sched_told(what: dict[str, Any]) -> str:
    """Receive a notification of a schedule."""
    return str(what["event"])


@dramatiq.actor(queue_name="scheduled", max_retries=0, unique=True)
def sched_alone() -> None:
    """Run one at a time in the whole fleet."""


@dramatiq.actor(queue_name="scheduled", max_retries=0)
def sched_secret(password: SecretStr, times: int = 1) -> None:
    """Work with a secret."""
