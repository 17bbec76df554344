"""The files of the private node: those in use by running processes stay when the folder is deleted."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from src.up.rabbitmq.node import Node, Ports


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "data" / "broker", launcher=Path("/bin/true"), ports=Ports(1, 2, 3, 4, 5))


def test_a_deleted_folder_comes_back_with_the_same_passwords_and_name(node: Node) -> None:
    known = (node.amqp_url, node.admin_password, node.name)
    node.start().wait()
    shutil.rmtree(node.folder.parent)

    node.start().wait()

    assert (node.amqp_url, node.admin_password, node.name) == known
    for file, text in (("app_password", node.password), ("admin_password", node.admin_password), ("name", node.name)):
        assert (node.folder / file).read_text() == text
    users = {each["name"]: each for each in json.loads((node.folder / "conf" / "definitions.json").read_text())["users"]}
    raw = base64.b64decode(users["callboard"]["password_hash"])
    assert raw[4:] == hashlib.sha256(raw[:4] + node.password.encode()).digest()


def test_another_process_finds_what_was_put_back(node: Node) -> None:
    known = node.password
    shutil.rmtree(node.folder)
    node.start().wait()

    assert Node(node.folder, launcher=Path("/bin/true"), ports=node.ports).password == known


def test_no_path_of_this_machine_is_in_its_environment(node: Node) -> None:
    """RabbitMQ's scripts take # ? % and quotes in a path for something else: paths are relative to where it is started, but for that of the data."""
    assert [name for name, value in node.environment().items() if str(node.folder) in value] == ["RABBITMQ_MNESIA_BASE"]
    node.start().wait()
    assert str(node.folder) not in (node.folder / "conf" / "rabbitmq.conf").read_text()
