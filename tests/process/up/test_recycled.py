"""Recycling under ./run up: a worker's process changes, and its part goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.up.data import process_identity
from tests.harness.services import BrokerNode, random_name
from tests.harness.waiting import eventually
from tests.process.up.test_up import House


@pytest.mark.slow  # the same way as under `dramatiq src.actors` in tests/process/broker/test_recycling.py
def test_a_worker_of_up_is_recycled_without_a_restart_of_its_part(broker_node: BrokerNode, tmp_path: Path) -> None:
    house, vhost = House(tmp_path / "data"), random_name("recycled")
    house.up(CALLBOARD_BROKER_URL=broker_node.create_vhost(vhost), CALLBOARD_MAX_JOBS="1")
    try:
        part, [first] = house.pids("worker"), workers(house)
        assert "5" in house.call("submit", "add", "--x", "2", "--y=3", "--wait").stdout
        eventually(lambda: len(workers(house)) == 1 and workers(house) != [first], deadline_s=60, interval_s=0.3)
        assert "9" in house.call("submit", "add", "--x", "4", "--y=5", "--wait").stdout
        assert house.pids("worker") == part
    finally:
        house.call("down")
        broker_node.delete_vhost(vhost)
    assert process_identity.marked(house.data) == []


def workers(house: House) -> list[str]:
    return [line.split()[0] for line in house.call("workers").stdout.splitlines()]
