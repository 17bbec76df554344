"""Fixtures of the workflow tests that run real worker commands.

callboard  a Callboard per store, shared: two workers that are kept running; what this process submits is found by their relays
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from src.jobs.core.envelopes import leave_to_relay, publisher
from tests.harness.callboard import Callboard, fresh_url
from tests.harness.fleet import Fleet
from tests.harness.services import BrokerNode
from tests.harness.stores import STORES


@pytest.fixture(scope="package", params=STORES)
def running(request: pytest.FixtureRequest, broker_node: BrokerNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callboard]:
    folder = tmp_path_factory.mktemp("callboard")
    url = fresh_url(request, request.param, folder)
    with (
        Callboard(
            broker_node, url, folder, actors="tests.actors.workflows", lease_duration=2.5, heartbeat_interval=0.5,
            publish_grace=0.05, relay_interval=0.05, max_crashes=50,
        ) as made,
        Fleet(made.environment, made.log, workers=2, threads=8, scheduler=False),
    ):  # fmt: skip
        yield made


@pytest.fixture
def callboard(running: Callboard) -> Iterator[Callboard]:
    with running.entered():
        publisher.connect(leave_to_relay)
        yield running
