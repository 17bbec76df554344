"""Fixtures of the workflow tests that need no worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from src.jobs.core.envelopes import leave_to_relay, publisher


@pytest.fixture(autouse=True)
def _unpublished() -> Iterator[None]:
    """Nothing is published: these jobs stay rows."""
    with publisher.replaced(leave_to_relay):
        yield
