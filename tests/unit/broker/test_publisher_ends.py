"""A publisher that ends while it connects: no broker answers here."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator

import pytest

from src.broker.publish.publisher import Publisher
from src.settings import get_settings
from tests.harness.waiting import eventually


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket that accepts connections, at most one beside those accepted, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        monkeypatch.setenv("CALLBOARD_BROKER_URL", f"amqp://127.0.0.1:{listening.getsockname()[1]}/")
        get_settings.cache_clear()
        yield listening
    get_settings.cache_clear()


def _begun(publisher: Publisher) -> bool:
    return publisher._connection is not None and bool(publisher._connection.ioloop._watched)


def test_it_leaves_no_socket_after_a_handshake_without_an_answer(listener: socket.socket) -> None:
    publisher = Publisher()
    publisher._start()
    with listener.accept()[0]:
        eventually(lambda: _begun(publisher) and not publisher._connection.is_without_socket)
        publisher.close(timeout=10)

    assert publisher._thread is not None
    assert not publisher._thread.is_alive()
    gc.collect()  # an open socket would be reported here


def test_it_leaves_no_socket_before_tcp_has_connected(listener: socket.socket) -> None:
    waiting = [socket.socket() for _ in range(3)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(listener.getsockname())

    publisher = Publisher()
    publisher._start()
    eventually(lambda: _begun(publisher))
    publisher.close(timeout=10)

    assert publisher._thread is not None
    assert not publisher._thread.is_alive()
    gc.collect()  # an open socket would be reported here
    for one in waiting:
        one.close()
