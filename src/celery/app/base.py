"""Application under its second name in Celery: `from src.celery.app.base import Celery`."""

from __future__ import annotations

from ..base.modules import absent
from .application import Celery

__all__ = ["Celery"]

__getattr__ = absent(__name__)
