"""Fixtures of the broker room without a broker.

attempts       runs attempts of actors in this process, on either store
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from src.database import Database
from src.jobs import envelopes
from src.jobs.envelopes import on_commit
from tests.harness.attempts import Attempts
from tests.harness.jobs import empty
from tests.harness.stores import STORES, OpenStore, using


@pytest.fixture(scope="session", params=STORES)
def store(request: pytest.FixtureRequest, open_store: OpenStore) -> Iterator[Database]:
    with open_store(request.param, "attempts") as opened:
        yield opened


@pytest.fixture
def database(store: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    earlier = envelopes._listener
    on_commit(None)
    with using(store, monkeypatch):
        yield store
    on_commit(earlier)
    empty(store)


@pytest.fixture
def attempts(database: Database) -> Attempts:
    return Attempts(database)
