"""Loggers with Celery's names: standard loggers, whose lines are stored with the attempt that writes them."""

from __future__ import annotations

import logging

from ..base.modules import absent

LOG_LEVELS = {name: number for number, name in logging._levelToName.items()} | logging._levelToName
base_logger = logging.getLogger("celery")
task_logger = logging.getLogger("celery.task")
worker_logger = logging.getLogger("celery.worker")


def get_logger(name: str) -> logging.Logger:
    """Return the standard logger of this name."""
    return logging.getLogger(name)


def mlevel(level: int | str | None) -> int | str | None:
    """Return the number of a level's name; numbers stay."""
    return getattr(logging, level.upper()) if isinstance(level, str) else level


get_task_logger = get_logger

__getattr__ = absent(__name__)
