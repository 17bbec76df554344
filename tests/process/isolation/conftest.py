"""Fixtures of the isolation tests: real worker commands against a fresh database and virtual host.

callboard     .worker(threads=…, queues=…, **settings) starts one; .job(id), .send(actor message), .lines(name); everything ends with the test
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import src.actors
from src.jobs.core.envelopes import leave_to_relay, publisher
from tests.actors.isolation import FOLDER
from tests.harness.callboard import Callboard
from tests.harness.services import BrokerNode

assert src.actors  # builds the broker that the actors of these tests are declared on


@pytest.fixture
def callboard(database_url: str, broker_node: BrokerNode, tmp_path: Path) -> Iterator[Callboard]:
    # These tests publish nothing themselves: the workers' relays do.
    settings: dict[str, Any] = {"publish_grace": 0.1, FOLDER: tmp_path}
    with Callboard(broker_node, database_url, tmp_path, actors="tests.actors.isolation", **settings) as made, made.entered():
        with made.database.write() as session:
            session.execute(text("CREATE TABLE effects (job_id VARCHAR(64))"))
        publisher.connect(leave_to_relay)
        yield made
