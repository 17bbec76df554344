"""A PostgreSQL server that accepts connections and does not answer: noted when a connection times out, not when its remains are collected."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Iterator

import pytest
from psycopg import errors

from src.sql import half_open
from src.sql.half_open import WatchfulConnection


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], float]:
    noted: dict[tuple[str, str], float] = {}
    monkeypatch.setattr(half_open, "_unreachable", noted)
    return noted


def test_a_server_that_does_not_answer_is_unreachable_from_the_moment_of_the_timeout(
    mute_port: int, unreachable: dict[tuple[str, str], float]
) -> None:
    gc.disable()  # as in a process whose collections are rare: the frames of a failed connection live until the next one
    try:
        with pytest.raises(errors.ConnectionTimeout) as failed:
            WatchfulConnection.connect(f"host=127.0.0.1 port={mute_port} user=x dbname=x connect_timeout=2")
        ended = time.monotonic()
        assert list(unreachable) == [("127.0.0.1", str(mute_port))]
        del failed
    finally:
        gc.enable()
    gc.collect()
    assert next(iter(unreachable.values())) <= ended  # otherwise a server that answers again would be left alone, minutes later


def test_the_next_host_of_a_list_is_asked_after_one_that_does_not_answer(mute_port: int, unreachable: dict[tuple[str, str], float]) -> None:
    hosts = f"host=127.0.0.1,127.0.0.1 port={mute_port},{_closed_port()} user=x dbname=x connect_timeout=2"
    with pytest.raises(Exception, match=r"(?s)timeout.*refused"):
        WatchfulConnection.connect(hosts)
    assert list(unreachable) == [("127.0.0.1", str(mute_port))]
    begun = time.monotonic()
    with pytest.raises(Exception, match=r"(?s)did not answer a moment ago.*refused"):
        WatchfulConnection.connect(hosts)
    assert time.monotonic() - begun < half_open.ASK_S


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
