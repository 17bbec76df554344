"""What is submitted here stays a row; the clock stands still and is moved by hand."""

from __future__ import annotations

from tests.jobs.conftest import time
from tests.mail.conftest import _nothing_published

__all__ = ["_nothing_published", "time"]
