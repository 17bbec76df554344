"""Ids of tasks."""

from ...jobs.submit.submission import new_id


def uuid() -> str:
    """Return a new id for a task: a job's, in the order of time."""
    return new_id()
