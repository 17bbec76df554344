"""Time rules with Celery's names, as declarations of src/schedules.

Imports base.
"""

from ..base.modules import absent
from .rules import crontab, maybe_schedule, schedule, solar

__all__ = ["crontab", "maybe_schedule", "schedule", "solar"]

__getattr__ = absent(__name__)
