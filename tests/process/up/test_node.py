"""The private RabbitMQ node: it comes back from anything, and says why when it cannot start."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from src.broker.core.connections import cannot_login
from src.up.rabbitmq.node import NodeError
from tests.harness.services import BrokerNode, make_broker_node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[BrokerNode]:
    made = make_broker_node(tmp_path / "broker")
    yield made
    made.kill()
    made.stop_epmd()


@pytest.mark.slow  # test_up.py starts, kills and ends one, too
def test_it_starts_stops_in_order_and_comes_back_after_a_power_cut(node: BrokerNode) -> None:
    # A caller's own RabbitMQ variables must not reach it.
    node.start()
    assert cannot_login(node.amqp_url) is None
    name, password = node.name, node.password

    node.kill()
    assert cannot_login(node.amqp_url) is not None
    node.start()
    assert cannot_login(node.amqp_url) is None
    assert (node.name, node.password) == (name, password)

    node.stop()
    assert node.process is not None
    assert node.process.returncode == 0
    assert node.pid is None


def test_secrets_and_cookie_are_for_this_user_only(broker_node: BrokerNode) -> None:
    for name in ("app_password", "admin_password", "home/.erlang.cookie", "conf/definitions.json"):
        assert (broker_node.folder / name).stat().st_mode & 0o077 == 0
    assert broker_node.folder.stat().st_mode & 0o777 == 0o700


def test_it_loads_its_modules_by_a_boot_script(broker_node: BrokerNode) -> None:
    arguments = Path("/proc", (broker_node.folder / "pid").read_text().strip(), "cmdline").read_text().split("\0")
    script = broker_node.folder / f"{arguments[arguments.index('-boot') + 1]}.boot"

    assert script.name.startswith("modules-")
    # an atom of Erlang's format, with its length: one module of RabbitMQ, of a plugin, and of what a plugin needs
    assert all(bytes([len(name)]) + name in script.read_bytes() for name in (b"rabbit_channel", b"rabbit_mgmt_app", b"cowboy_req"))


def test_nothing_of_the_callers_environment_configures_it(node: BrokerNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBITMQ_NODE_PORT", "5672")
    monkeypatch.setenv("ERL_FLAGS", "-sname other")

    environment = node.environment()

    assert environment["RABBITMQ_NODE_PORT"] == str(node.ports.amqp)
    assert "ERL_FLAGS" not in environment


@pytest.mark.slow  # the next one is another failed start, without seconds of RabbitMQ
def test_a_taken_port_is_reported_with_the_end_of_the_log_and_the_cure(node: BrokerNode) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        node.ports = replace(node.ports, management=taken.getsockname()[1])

        with pytest.raises(NodeError) as caught:
            node.start()

    assert "RabbitMQ stopped during startup" in str(caught.value)
    assert "eaddrinuse" in str(caught.value)
    assert "./run up" in str(caught.value)


def test_a_node_that_cannot_start_is_reported_at_once(node: BrokerNode, tmp_path: Path) -> None:
    broken = tmp_path / "rabbitmq-server"
    broken.write_text("#!/bin/sh\necho 'no erlang here' >&2\nexit 7\n")
    os.chmod(broken, 0o755)
    node.launcher = broken

    with pytest.raises(NodeError) as caught:
        node.start()

    assert "exit code 7" in str(caught.value)
    assert "no erlang here" in str(caught.value)


def test_a_dead_host_is_reported_with_its_address(node: BrokerNode) -> None:
    assert f"127.0.0.1:{node.ports.amqp} does not answer" in str(cannot_login(node.amqp_url))
