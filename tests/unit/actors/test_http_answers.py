"""Answers of servers that are cut short, name odd addresses, or come from one of several addresses."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from src.actors.ssrf_guard import CallFailed, CallRefused
from tests.unit.actors.test_http_call import Server, _Handler, get, server

__all__ = ["server"]


def raw(text: bytes) -> Callable[[_Handler], None]:
    """Answer with these bytes, then close the connection."""

    def answer(handler: _Handler) -> None:
        handler.wfile.write(text)
        handler.close_connection = True

    return answer


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200",
        b"",
    ],
)
def test_an_answer_that_is_cut_short_is_a_failure(server: Server, text: bytes) -> None:
    server.answers["/cut"] = raw(text)
    with pytest.raises(CallFailed):
        get(f"{server.url}/cut")


def test_an_answer_without_a_length_ends_with_its_connection(server: Server) -> None:
    server.answers["/open"] = raw(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert get(f"{server.url}/open").text == "all of it"


@pytest.mark.parametrize("charset", ["nobody-knows", "idna", "utf-8\0", "base64", "punycode"])
def test_a_charset_that_cannot_be_used_is_read_as_utf_8(server: Server, charset: str) -> None:
    server.answers["/odd"] = raw(f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset={charset}\r\nContent-Length: 2\r\n\r\nä".encode())
    assert get(f"{server.url}/odd").text == "ä"


@pytest.mark.parametrize(
    ("location", "path"),
    [("/größe", "/gr%C3%B6%C3%9Fe"), ("/a b?c=d e", "/a%20b?c=d%20e"), ("/a%20b", "/a%20b"), ("?x=1", "/old?x=1"), ("end#part", "/end")],
)
def test_a_redirect_may_be_written_as_browsers_read_it(server: Server, location: str, path: str) -> None:
    server.answers["/old"] = raw(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
    assert get(f"{server.url}/old").text == "hello"
    assert server.seen[-1][1] == path


@pytest.mark.parametrize("location", ["http://[bad/", "http://[::1", "//[", "http://x:99999/"])
def test_a_redirect_to_an_address_that_is_none_is_refused(server: Server, location: str) -> None:
    server.answers["/old"] = raw(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
    with pytest.raises(CallRefused, match="is not an http or https URL"):
        get(f"{server.url}/old")


def test_an_address_that_does_not_answer_leaves_time_for_the_next(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, server.server_port)) for address in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: entries)
    with ExitStack() as opened:
        opened.enter_context(socket.create_server(("127.0.0.2", server.server_port), backlog=0))
        for _ in range(3):  # once its queue is full, a new connection gets no answer
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", server.server_port))
        assert get(f"http://both.example.com:{server.server_port}/", timeout_s=2, allowed="127.0.0.0/8").text == "hello"
