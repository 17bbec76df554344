"""Application: Celery's object, the decorators of tasks, beat's entries and the signals of workers.

Imports task and below, and src.actors for the broker.
"""

from ..base.modules import absent
from .application import Celery
from .current import app_or_default, current_app, current_task
from .declaring import shared_task

default_app = current_app

__all__ = ["Celery", "app_or_default", "current_app", "current_task", "default_app", "shared_task"]

__getattr__ = absent(__name__)
