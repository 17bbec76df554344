"""Fixtures of the sql tier: one database per store and pytest process, emptied after each test.

store      the database itself; a test that takes it directly leaves rows to the next one
database   the same, made this process's database, and emptied afterwards

A test that changes the schema, or whose child processes may write after its end, takes `fresh_database`.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack
from typing import Any

import pytest

import src.actors
import src.web.application
from src.broker.publish import publisher
from src.jobs.webhooks import events
from src.operations.fleet.figures import fleet_metrics, history
from src.sql.database import Database
from src.web.auth import throttle
from src.web.render import rail_counts
from tests.harness import plans
from tests.harness.stores import Emptied, OpenStore, choose, using

#: caches of a database or a caller: the next test has others
REMEMBERED: tuple[MutableMapping[Any, Any], ...] = (
    events._known,
    history._kept,
    fleet_metrics._kept,
    rail_counts._kept,
    throttle._refused,
)
#: statements whose plans have been asked for
_PLANNED: set[str] = set()
assert src.actors
assert src.web.application  # every room's tables are known


@pytest.fixture(autouse=True)
def _no_publisher_left() -> Iterator[None]:
    """End the test's publisher: its thread would go on trying, and publish into the virtual host of a later test."""
    yield
    left = publisher._publisher
    if left is not None:
        left.close(timeout=0)
        publisher._forget_parents()


class Stores(dict[str, Emptied]):
    """The databases by store, each opened at its first use."""

    def __init__(self, open_store: OpenStore, opened: ExitStack) -> None:
        super().__init__()
        self._open, self._opened = open_store, opened

    def __missing__(self, name: str) -> Emptied:
        self[name] = Emptied(self._opened.enter_context(self._open(name, "sql")))
        return self[name]


@pytest.fixture(scope="session")
def _stores(open_store: OpenStore) -> Iterator[Stores]:
    with ExitStack() as opened:
        yield Stores(open_store, opened)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    choose(metafunc, "store")


@pytest.fixture
def store(request: pytest.FixtureRequest, _stores: Stores) -> Database:
    return _stores[request.param].database


@pytest.fixture
def database(store: Database, _stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    for remembered in REMEMBERED:
        remembered.clear()
    with using(store, monkeypatch), plans.recorded_of_product(store, _PLANNED) as executed:
        yield store
        monkeypatch.undo()  # the test's own changes are undone first: undone later, they would bring back this database's address
    _stores["sqlite" if store.is_sqlite else "postgresql"].empty()
    if store.is_sqlite:  # PostgreSQL's plans depend on the number of rows
        assert plans.whole_reads(store, executed) == {}, "the product reads a table of jobs from end to end"


@pytest.fixture
def fresh_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    opened = Database(database_url)
    with using(opened, monkeypatch):
        yield opened
        monkeypatch.undo()
    opened.engine.dispose()
