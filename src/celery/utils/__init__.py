"""Helpers with Celery's names: loggers and ids.

Imports no other district.
"""

from uuid import uuid4


def uuid() -> str:
    """Return a new id for a task."""
    return str(uuid4())


gen_unique_id = uuid
