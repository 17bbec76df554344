"""Periodic actors in periodiq's spelling, loaded only by commands that tests start."""

from __future__ import annotations

import dramatiq
from periodiq import cron

from src.jobs import current_job
from src.schedules import every


@dramatiq.actor(queue_name="scheduled", periodic=cron("* * * * *"))
def sched_minutely() -> str:
    """Once a minute, weekends included."""
    return str(current_job.scheduled_for)


@dramatiq.actor(queue_name="scheduled", periodic=cron("0 6 * * fri-sun"))
def sched_weekend() -> None:
    """In a spelling that periodiq itself refuses."""


@dramatiq.actor(queue_name="scheduled", periodic=every(2))
def sched_often() -> None:
    """Every two seconds."""
