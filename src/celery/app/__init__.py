"""Application: Celery's object, the decorators of tasks, beat's entries and the signals of workers.

Imports task and below, and src.actors for the broker.
"""

from .application import Celery
from .current import app_or_default, current_app, current_task
from .declaring import shared_task

__all__ = ["Celery", "app_or_default", "current_app", "current_task", "shared_task"]
