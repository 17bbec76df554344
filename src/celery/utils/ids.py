"""Ids of tasks."""

from uuid import uuid4


def uuid() -> str:
    """Return a new id for a task."""
    return str(uuid4())
