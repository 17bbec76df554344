"""Fixtures of the workflow tests.

database   one per store for all tests that need no worker, emptied after each
house      the same for tests that run real worker commands: database, virtual host, and a fleet that is kept running
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import delete

from src.database import Database, use_database
from src.jobs import envelopes
from src.jobs.envelopes import on_commit
from src.jobs.models import LimiterValue
from src.jobs.workflow_models import MessageGroup, StoredEdge, StoredStep, StoredWorkflow
from src.settings import get_settings
from tests.chaos.fleet import Fleet
from tests.jobs.making import empty
from tests.services import BrokerNode, random_name


@dataclass
class House:
    """A database and what runs on it."""

    database: Database
    fleet: Fleet
    environment: dict[str, str]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from _opened(request, tmp_path_factory)


@pytest.fixture
def database(store: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    yield from _used(store, {"CALLBOARD_DATABASE_URL": store.url.render_as_string(hide_password=False)}, monkeypatch)
    with store.write() as session:
        for table in (StoredEdge, StoredStep, StoredWorkflow, MessageGroup, LimiterValue):
            session.execute(delete(table))
    empty(store)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def running(request: pytest.FixtureRequest, broker_node: BrokerNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    vhost = random_name("workflows")
    folder = tmp_path_factory.mktemp("house")
    for opened in _opened(request, tmp_path_factory):
        environment = {
            "CALLBOARD_DATA_DIR": str(folder / "data"),
            "CALLBOARD_DATABASE_URL": opened.url.render_as_string(hide_password=False),
            "CALLBOARD_BROKER_URL": broker_node.create_vhost(vhost),
            "CALLBOARD_ACTORS": "tests.workflows.actors",
            "CALLBOARD_LEASE_DURATION": "2.5",
            "CALLBOARD_HEARTBEAT_INTERVAL": "0.5",
            "CALLBOARD_PUBLISH_GRACE": "0.05",
            "CALLBOARD_RELAY_INTERVAL": "0.05",
            "CALLBOARD_MAX_CRASHES": "50",
        }
        with Fleet(environment, folder / "workers.log", workers=2, threads=8, scheduler=False) as fleet:
            yield House(opened, fleet, environment)
        broker_node.delete_vhost(vhost)


@pytest.fixture
def house(running: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    for _ in _used(running.database, running.environment, monkeypatch):
        yield running


@pytest.fixture(autouse=True)
def _unpublished() -> Iterator[None]:
    """Nothing is published by the tests' own process: what it submits is found by the relay of a worker."""
    earlier = envelopes._listener
    on_commit(None)
    yield
    on_commit(earlier)


def _opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if request.param == "sqlite":
        path: Path = tmp_path_factory.mktemp("workflows") / "callboard.db"
        shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), path)
        opened = Database(f"sqlite:///{path}")
    else:
        server, name = request.getfixturevalue("postgres"), random_name("workflows")
        server.execute(f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('_migrated_postgres')}")
        opened = Database(server.url(name))
    yield opened
    opened.engine.dispose()


def _used(opened: Database, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    use_database(opened)
    yield opened
    use_database(None)
    monkeypatch.undo()
    get_settings.cache_clear()
