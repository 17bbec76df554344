"""Brokers of a test's own, with middleware that the process's broker does not have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from src.jobs.options import message_options


@contextmanager
def options_kept() -> Iterator[None]:
    """Put the options of middleware back at the end: each new broker replaces those that the whole process knows."""
    known = message_options._declared, message_options._of_actors
    try:
        yield
    finally:
        message_options.declare(*known)
