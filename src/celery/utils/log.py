"""Loggers with Celery's names: standard loggers, whose lines are stored with the attempt that writes them."""

from __future__ import annotations

import logging


def get_logger(name: str) -> logging.Logger:
    """Return the standard logger of this name."""
    return logging.getLogger(name)


get_task_logger = get_logger
