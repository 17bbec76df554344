"""What is submitted here stays a row: no RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from src.jobs.core import envelopes
from src.jobs.core.envelopes import on_commit


@pytest.fixture(autouse=True)
def _nothing_published() -> Iterator[None]:
    earlier = envelopes._listener
    on_commit(None)
    yield
    on_commit(earlier)
