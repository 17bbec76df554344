"""Fixtures of the chaos tests: an environment in which real commands run against a fresh database and virtual host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.jobs.core.envelopes import leave_to_relay, publisher
from src.sql.database import Database
from tests.faults.chaos import faults
from tests.harness.callboard import Callboard
from tests.harness.effects import create_effects
from tests.harness.services import BrokerNode

#: recovery in a second or two instead of six to ten, so that a kill at each step can be tested on both stores
IMPATIENT = {
    "CALLBOARD_LEASE_DURATION": "1.5",
    "CALLBOARD_HEARTBEAT_INTERVAL": "0.4",
    "CALLBOARD_PUBLISH_GRACE": "0.5",
    "CALLBOARD_RELAY_INTERVAL": "0.1",
    "CALLBOARD_RECONCILE_INTERVAL": "1",
    "CALLBOARD_RECONCILE_AFTER": "2",
    faults.CONFIRM_WITHIN: "1.5",
}


@pytest.fixture
def callboard(database_url: str, broker_node: BrokerNode, tmp_path: Path) -> Iterator[Callboard]:
    """A Callboard whose commands recover quickly; what this process submits is for the commands to publish."""
    settings: dict[str, Any] = {**IMPATIENT, faults.STRUCK: tmp_path / "struck"}
    with (
        Callboard(broker_node, database_url, tmp_path, actors="tests.actors.chaos", queues=["default", "chaos"], **settings) as made,
        made.entered(),
    ):
        create_effects(made.database)
        publisher.connect(leave_to_relay)
        yield made


@pytest.fixture
def chaos(callboard: Callboard) -> dict[str, str]:
    """The environment of its commands."""
    return callboard.environment


@pytest.fixture
def database(callboard: Callboard) -> Database:
    return callboard.database
