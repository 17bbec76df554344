"""Fixtures of the jobs room: what was handed over at a commit, and a clock that stands still.

database       one per store for all tests of this room, emptied after each
published      every envelope that a committed transaction handed over; nothing reaches a broker
time           the shared clock, moved by hand: time.forward(seconds)
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from src.jobs.core.envelopes import Envelope, publisher
from src.sql.clock import clock
from tests.harness.jobs import StillClock


@pytest.fixture(autouse=True)
def published() -> Iterator[list[Envelope]]:
    handed_over: list[Envelope] = []
    with publisher.replaced(handed_over.extend):
        yield handed_over


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    still = StillClock()
    monkeypatch.setattr(clock, "now", still.now)
    return still
