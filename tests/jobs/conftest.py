"""Fixtures of the jobs room: what was handed over at a commit, and a clock that stands still.

database       one per store for all tests of this room, emptied after each
published      every envelope that a committed transaction handed over; nothing reaches a broker
time           the shared clock, moved by hand: time.forward(seconds)
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from src.database import Database, clock, use_database
from src.jobs import envelopes
from src.jobs.envelopes import Envelope, on_commit
from src.settings import get_settings
from tests.jobs.making import StillClock, empty
from tests.services import random_name


@pytest.fixture
def database(store: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("CALLBOARD_DATABASE_URL", store.url.render_as_string(hide_password=False))
    get_settings.cache_clear()
    use_database(store)
    yield store
    use_database(None)
    empty(store)
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("jobs") / "callboard.db"
        shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), path)
        opened = Database(f"sqlite:///{path}")
    else:
        server, name = request.getfixturevalue("postgres"), random_name("jobs")
        server.execute(f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('_migrated_postgres')}")
        opened = Database(server.url(name))
    yield opened
    opened.engine.dispose()


@pytest.fixture(autouse=True)
def published() -> Iterator[list[Envelope]]:
    handed_over: list[Envelope] = []
    earlier = envelopes._listener
    on_commit(handed_over.extend)
    yield handed_over
    on_commit(earlier)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    still = StillClock()
    monkeypatch.setattr(clock, "now", still.now)
    return still
