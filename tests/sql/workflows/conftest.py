"""Fixtures of the workflow tests.

database   one per store for all tests that need no worker, emptied after each
house      the same for tests that run real worker commands: database, virtual host, and a fleet that is kept running
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from src.database import Database
from src.jobs import envelopes
from src.jobs.envelopes import on_commit
from tests.harness.fleet import Fleet
from tests.harness.services import BrokerNode, random_name
from tests.harness.stores import STORES, OpenStore, using


@dataclass
class House:
    """A database and what runs on it."""

    database: Database
    fleet: Fleet
    environment: dict[str, str]


@pytest.fixture(scope="package", params=STORES)
def running(
    request: pytest.FixtureRequest, open_store: OpenStore, broker_node: BrokerNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    vhost = random_name("workflows")
    folder = tmp_path_factory.mktemp("house")
    with open_store(request.param, "workflows_house") as opened:
        environment = {
            "CALLBOARD_DATA_DIR": str(folder / "data"),
            "CALLBOARD_DATABASE_URL": opened.url.render_as_string(hide_password=False),
            "CALLBOARD_BROKER_URL": broker_node.create_vhost(vhost),
            "CALLBOARD_ACTORS": "tests.actors.workflows",
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
    with using(running.database, monkeypatch, **running.environment):
        yield running


@pytest.fixture(autouse=True)
def _unpublished() -> Iterator[None]:
    """Nothing is published by the tests' own process: what it submits is found by the relay of a worker."""
    earlier = envelopes._listener
    on_commit(None)
    yield
    on_commit(earlier)
