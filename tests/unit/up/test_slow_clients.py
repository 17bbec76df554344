"""Clients that are slow to send or to read block no thread of the web front end, and are closed after their deadlines."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from src.settings import get_settings
from src.up import web_server
from src.up.web_server import Sockets
from tests.harness.waiting import eventually

HALF_HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
HALF_BODY = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\nname="
WHOLE = b"GET /static/vendor/htmx.min.js HTTP/1.1\r\nHost: x\r\n\r\n"
#: bytes of the answer that no system keeps for a client that does not read
LARGE = 20_000_000
#: less than the seconds that a half-sent request may take
PROMPT_S = 5

Application = Callable[[dict[str, str], Callable[..., object]], list[bytes]]


def answer(environ: dict[str, str], start: Callable[..., object]) -> list[bytes]:
    """An application of one large page."""
    size = LARGE if environ["PATH_INFO"] == "/large" else 2
    start("200 OK", [("Content-Length", str(size))])
    return [b"x" * size]


class Site:
    """A front end of one thread, and the clients that are connected to it."""

    def __init__(self, stack: ExitStack, application: Application = answer) -> None:
        self._stack = stack
        self._listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._sockets = Sockets(application, [self._listener], threads=1, keepalive=60)
        self._ends = threading.Event()
        thread = threading.Thread(target=self._serve)
        thread.start()
        stack.callback(thread.join)
        stack.callback(self._ends.set)

    def connect(self, text: bytes, *, source: str = "127.0.0.1") -> socket.socket:
        """A client that has sent this."""
        client = socket.create_connection(self._listener.getsockname(), 10, source_address=(source, 0))
        self._stack.callback(client.close)
        client.sendall(text)
        return client

    @property
    def connections(self) -> int:
        """Return the number of open connections."""
        return len(self._sockets.connections)

    def _serve(self) -> None:
        while not self._ends.is_set():
            self._sockets.serve(at_most_s=0.02)
        self._sockets.close()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(web_server, "CHECK_EVERY_S", 0.02)
    with ExitStack() as stack:
        yield Site(stack)


def is_ended(client: socket.socket) -> bool:
    """True if the server has closed the connection."""
    client.settimeout(0.01)
    try:
        while client.recv(1_000_000):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True


def test_a_half_sent_request_is_ended_although_bytes_come(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "HEAD_S", 0.2)
    monkeypatch.setattr(web_server, "PATIENCE_S", 0.2)
    for begun in (HALF_HEAD, HALF_BODY):
        client = site.connect(begun)

        def trickle(client: socket.socket = client) -> bool:
            try:
                client.sendall(b"x")
            except OSError:
                return True
            return is_ended(client)

        eventually(trickle, interval_s=0.05, what="the connection is ended")


def test_a_client_that_does_not_read_holds_no_thread_and_is_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    client = site.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.recv(20).startswith(b"HTTP/1.1 200 OK")
    assert site.connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").recv(20).startswith(b"HTTP/1.1 200 OK")  # by the only thread

    monkeypatch.setattr(web_server, "PATIENCE_S", 0.1)
    monkeypatch.setattr(web_server, "LEAST_RATE", 1_000 * LARGE)
    eventually(lambda: site.connections == 1, what="the connection that does not read is ended")


def test_the_oldest_waiting_connection_of_an_address_makes_room_for_a_new_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "MOST_WAITING", 4)
    other = site.connect(HALF_HEAD, source="127.0.0.2")
    clients = [site.connect(HALF_HEAD) for _ in range(5)]
    eventually(lambda: is_ended(clients[0]), what="the oldest is ended")
    assert not any(map(is_ended, [other, *clients[1:]]))


def test_the_oldest_connection_of_all_makes_room_when_there_are_too_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "MOST_WAITING", 2)
    monkeypatch.setattr(web_server, "MOST_CONNECTIONS", 4)
    clients = [site.connect(HALF_HEAD, source=f"127.0.0.{number}") for number in range(1, 6)]
    eventually(lambda: is_ended(clients[0]), what="the oldest is ended")
    assert not any(map(is_ended, clients[1:]))


def test_a_proxy_may_have_many_connections(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "MOST_WAITING", 2)
    monkeypatch.setattr(get_settings(), "proxy_addresses", "127.0.0.2")
    clients = [site.connect(HALF_HEAD, source="127.0.0.2") for _ in range(4)]
    assert not any(map(is_ended, clients))


def test_bodies_that_are_on_their_way_have_a_limit_together(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "MOST_BODIES", 0.000_01)
    client = site.connect(HALF_BODY + b"x" * 50_000)
    eventually(lambda: is_ended(client), what="the largest body is ended")
