"""Fixtures without RabbitMQ: submitted jobs stay rows."""

from __future__ import annotations

from tests.sql.mail.conftest import _nothing_published

__all__ = ["_nothing_published"]
