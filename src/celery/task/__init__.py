"""Task: Celery's class, its declaration as an actor, and the run of an attempt.

Imports canvas and below.
"""

from .task import Task

__all__ = ["Task"]
