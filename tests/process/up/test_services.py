"""The throw-away services themselves, on which every other test depends."""

from __future__ import annotations

import socket
import struct
import urllib.request
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from src.broker.core.connections import cannot_login
from src.sql.database import Database
from tests.harness.services import BrokerNode


def test_a_virtual_host_of_its_own_accepts_the_application(vhost: str) -> None:
    assert cannot_login(vhost) is None


@pytest.mark.parametrize(
    ("part", "wrong", "cure"),
    [
        ("{password}", "wrong", "refuses the user 'callboard': correct user and password in CALLBOARD_BROKER_URL"),
        ("callboard:", "guest:", "refuses the user 'guest': correct user and password in CALLBOARD_BROKER_URL"),
        ("/{vhost}", "/nowhere", "has no virtual host 'nowhere': create it, or correct CALLBOARD_BROKER_URL"),
        ("/{vhost}", "/admins", "refuses the user 'callboard' its virtual host 'admins': permit it, or correct CALLBOARD_BROKER_URL"),
    ],
)
def test_a_login_that_is_refused_is_reported_with_the_cure(broker_node: BrokerNode, part: str, wrong: str, cure: str) -> None:
    url = broker_node.amqp_url
    broker_node.api("PUT", "/api/vhosts/admins", {})
    given = part.format(password=broker_node.password, vhost=url.rpartition("/")[2])

    refused = cannot_login(wrong.join(url.rsplit(given, 1)))

    assert refused == f"RabbitMQ at 127.0.0.1:{broker_node.ports.amqp} {cure}"


def test_the_database_is_migrated_and_empty(database: Database) -> None:
    with database.read() as session:
        assert session.execute(text("SELECT count(*) FROM jobs")).scalar_one() == 0
    assert "callboard_version" in inspect(database.engine).get_table_names()


def test_the_node_listens_on_the_loopback_address_only(broker_node: BrokerNode) -> None:
    listening = listening_addresses(set(asdict(broker_node.ports).values()))

    assert {port for _, port in listening} == set(asdict(broker_node.ports).values())
    assert {address for address, _ in listening} <= {"127.0.0.1", "::1"}


def test_guest_does_not_exist(broker_node: BrokerNode) -> None:
    assert {user["name"] for user in broker_node.api("GET", "/api/users")} == {"callboard", "admin"}


def test_the_management_ui_answers(broker_node: BrokerNode) -> None:
    with urllib.request.urlopen(broker_node.management_url, timeout=10) as page:
        assert b"RabbitMQ" in page.read()


def listening_addresses(ports: set[int]) -> set[tuple[str, int]]:
    """Return the processes that listen on these ports, by the kernel's tables."""
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            address, port = local.split(":")
            if state == "0A" and int(port, 16) in ports:
                # The kernel prints each 32 bit word of the address in the machine's byte order.
                words = [struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8)]
                found.add((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return found
