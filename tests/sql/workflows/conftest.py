"""Fixtures of the workflow tests that need no worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from src.jobs.core.envelopes import leave_to_relay, publisher
from src.sql.clock import clock
from tests.harness.jobs import StillClock


@pytest.fixture(autouse=True)
def _unpublished() -> Iterator[None]:
    """Nothing is published: these jobs stay rows."""
    with publisher.replaced(leave_to_relay):
        yield


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """The clock of this process, moved by the test."""
    still = StillClock()
    monkeypatch.setattr(clock, "now", still.now)
    return still
