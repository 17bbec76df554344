"""Fixtures of the isolation tests: real worker commands against a fresh database and virtual host.

callboard  .worker(threads=…, queues=…, **settings) starts one; .job(id), .send(actor message), .lines(name); everything ends with the test
served     the same with one worker that serves all tests of the folder; .lines(name) are those of the test
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
from tests.harness.callboard import Callboard, fresh_url
from tests.harness.services import BrokerNode
from tests.harness.stores import STORES

assert src.actors  # builds the broker that the actors of these tests are declared on


#: queues of the actors of these tests
QUEUES = ["default", "good", "bad", "cells", "threads", "storm", "poison", "logs"]
#: lines of a job's log that the shared worker keeps
LOG_LINES = 100


def opened(node: BrokerNode, url: str, folder: Path, **settings: Any) -> Callboard:
    """Return a fresh Callboard with the table that the actors write to."""
    # These tests publish nothing themselves: the workers' relays do.
    settings |= {"publish_grace": 0.1, FOLDER: folder}
    made = Callboard(node, url, folder, actors="tests.actors.isolation", queues=QUEUES, **settings)
    with made.database.write() as session:
        session.execute(text("CREATE TABLE effects (job_id VARCHAR(64))"))
    return made


@pytest.fixture
def callboard(database_url: str, broker_node: BrokerNode, tmp_path: Path) -> Iterator[Callboard]:
    with opened(broker_node, database_url, tmp_path) as made, made.entered():
        publisher.connect(leave_to_relay)
        yield made


@pytest.fixture(scope="package", params=STORES)
def _served(request: pytest.FixtureRequest, broker_node: BrokerNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callboard]:
    folder = tmp_path_factory.mktemp("served")
    with opened(broker_node, fresh_url(request, request.param, folder), folder, max_log_lines=LOG_LINES) as made:
        made.worker(threads=8)
        yield made


@pytest.fixture
def served(_served: Callboard) -> Iterator[Callboard]:
    for left in ("pids", "neighbours", "results", "started"):
        (_served.folder / left).unlink(missing_ok=True)
    with _served.entered():
        publisher.connect(leave_to_relay)
        yield _served
