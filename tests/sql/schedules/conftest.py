"""Fixtures of the schedules room: a database per store for all of its tests, emptied after each, and a clock that stands still.

time       the shared clock, moved by hand: time.forward(seconds); it begins on Monday, 5 January 2026, 12:00 UTC
make       makes messages of this process's actors, as the scheduler process does
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import src.actors
from src.broker.options import periodic
from src.jobs.core.envelopes import Envelope, publisher
from src.schedules.rows.makers import Maker
from src.schedules.ticks import ticks
from src.sql.clock import clock
from tests.harness.jobs import StillClock

# Loaded here, and taken out of the process's broker again: other rooms' tests shall not meet these actors.
_known = dict(src.actors.broker.actors)
from tests.actors import schedules as actors  # noqa: E402

assert actors
_mine = {name: actor for name, actor in src.actors.broker.actors.items() if name not in _known}
for _name in _mine:
    del src.actors.broker.actors[_name]

MONDAY_NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _actors() -> Iterator[None]:
    src.actors.broker.actors.update(_mine)
    yield
    for name in _mine:
        src.actors.broker.actors.pop(name, None)


@pytest.fixture(autouse=True)
def published() -> Iterator[list[Envelope]]:
    handed_over: list[Envelope] = []
    with publisher.replaced(handed_over.extend):
        yield handed_over


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let PostgreSQL wait for a stalled test process; a scheduler's transaction is aborted and repeated."""
    monkeypatch.setattr(ticks, "FROZEN_MS", 60_000)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    still = StillClock()
    still.instant = MONDAY_NOON
    monkeypatch.setattr(clock, "now", still.now)
    return still


@pytest.fixture
def make() -> Maker:
    return periodic.maker(src.actors.broker)
