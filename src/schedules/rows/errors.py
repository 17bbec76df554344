"""Errors of requests about schedules, beside those of the jobs room."""

from __future__ import annotations

from ...jobs.core.errors import JobsError


class UnknownSchedule(JobsError):
    """No schedule has this id or name."""
