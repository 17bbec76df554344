"""Fixtures without RabbitMQ: submitted jobs stay rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from src.jobs.core.envelopes import leave_to_relay, publisher


@pytest.fixture(autouse=True)
def _nothing_published() -> Iterator[None]:
    with publisher.replaced(leave_to_relay):
        yield
