"""The current application and task under Celery's second name for them."""

from __future__ import annotations

from typing import Any

from .app import app_or_default, current_app, current_task
from .base.modules import absent

__all__ = ["app_or_default", "current_app", "current_task", "get_current_app", "get_current_task"]


def get_current_app() -> Any:
    """Return the application that was created last."""
    return current_app._get_current_object()


def get_current_task() -> Any:
    """Return the running task; None outside of one."""
    return current_task._get_current_object()


__getattr__ = absent(__name__)
