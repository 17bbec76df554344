"""Run times of listed jobs, for the template globals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ....jobs.read import run_times
from ....operations.jobs.rows import Job
from ....sql import database


def of(jobs: Sequence[Job]) -> dict[int, timedelta]:
    """Run times of the newest attempts that have ended, by number of the job."""
    with database.read() as session:
        return run_times.of(session, jobs)
