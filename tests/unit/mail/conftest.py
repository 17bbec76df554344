"""What is submitted here stays a row."""

from __future__ import annotations

from tests.sql.mail.conftest import _nothing_published

__all__ = ["_nothing_published"]
