"""The web front end as gunicorn runs it serves others beside two hundred slow clients."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from src.up.data import ports
from tests.harness.commands import WEB, Command
from tests.harness.waiting import eventually
from tests.unit.up.test_slow_clients import HALF_BODY, HALF_HEAD, PROMPT_S, WHOLE


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The web front end as gunicorn runs it; these pages need no database."""
    folder: Path = tmp_path_factory.mktemp("front")
    port = ports.anywhere(["web"])["web"]
    command = Command(WEB, {**os.environ, "CALLBOARD_DATA_DIR": str(folder), "CALLBOARD_PORT": str(port)}, folder / "log")
    try:
        eventually(lambda: answers(port), deadline_s=90, what=f"it serves; see {command.log}")
        yield port
    finally:
        command.stop(20)


def answers(port: int) -> bool:
    """True once it serves; until then it refuses connections."""
    try:
        return is_served(port)
    except OSError:
        return False


def is_served(port: int, within_s: float = PROMPT_S) -> bool:
    """True if a client that sends a whole request has an answer in time."""
    with socket.create_connection(("127.0.0.1", port), within_s) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return client.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("text", [b"", HALF_HEAD, HALF_BODY, WHOLE * 4], ids=["nothing", "heads", "bodies", "readers"])
def test_others_are_served_beside_two_hundred_slow_clients(port: int, text: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", port))
            client.sendall(text)
        assert all(is_served(port) for _ in range(20))
