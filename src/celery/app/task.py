"""Task under its second name in Celery: `from src.celery.app.task import Task`."""

from __future__ import annotations

from ..base.modules import absent
from ..core.request import Context
from ..task import Task

__all__ = ["Context", "Task"]

__getattr__ = absent(__name__)
