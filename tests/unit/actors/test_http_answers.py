"""Answers of servers that are cut short, name odd addresses, or come from one of several addresses."""

from __future__ import annotations

import errno
import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Callable
from contextlib import ExitStack

import pytest
import trustme

from src.actors.http_call import HttpError, HttpRefused, call_http
from src.actors.http_client import Request, _Hurried, call
from src.actors.ssrf_guard import CallFailed, CallRefused
from src.settings import get_settings
from tests.unit.actors.test_http_call import Server, _Handler, get, server

__all__ = ["server"]


def raw(text: bytes) -> Callable[[_Handler], None]:
    """Answer with these bytes, then close the connection."""

    def answer(handler: _Handler) -> None:
        handler.wfile.write(text)
        handler.close_connection = True

    return answer


def tls_of(host: str) -> ssl.SSLContext:
    """A server's TLS, of an authority of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(host).configure_cert(context)
    return context


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


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints\r\nLink: </a.css>; rel=preload"])
def test_an_interim_answer_is_not_taken_for_the_answer(server: Server, interim: bytes) -> None:
    server.answers["/"] = raw(b"HTTP/1.1 " + interim + b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    answer = get(f"{server.url}/")
    assert (answer.status, answer.text) == (200, "ok")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "another protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 6\r\n\r\nabcdef", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabcdef", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabcdef", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello")[:-9], "cut short"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nhello", "cannot be unpacked"),
        (b"SSH-2.0-OpenSSH_9\r\n", "the answer is not HTTP: 'SSH-2.0-OpenSSH_9"),
        (b"\x15\x03\x01\x00\x02\x02\x46", r"the answer is not HTTP: '\\x15"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "cut short, 5 bytes are missing"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf", "cut short, 1 byte is missing"),
    ],
)
def test_an_answer_that_cannot_be_understood_is_a_failure_with_its_reason(server: Server, text: bytes, words: str) -> None:
    server.answers["/"] = raw(text)
    with pytest.raises(CallFailed, match=words):
        get(f"{server.url}/")


def test_a_length_that_is_given_twice_alike_is_that_length(server: Server) -> None:
    server.answers["/"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok")
    assert get(f"{server.url}/").text == "ok"


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_body_that_is_compressed_unasked_is_unpacked_within_the_limit(
    server: Server, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    for body in (b"hello", b"0" * 1_000_000):
        server.answers[f"/{len(body)}"] = raw(f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n".encode() + pack(body))
    assert (get(f"{server.url}/5").text, get(f"{server.url}/5").size) == ("hello", 5)
    with pytest.raises(CallRefused, match="longer than max_bytes"):
        get(f"{server.url}/1000000", max_bytes=5_000)
    server.answers["/br"] = raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nx")
    with pytest.raises(CallRefused, match="compressed as 'br'"):
        get(f"{server.url}/br")


def test_control_characters_of_a_reason_reach_neither_database_nor_terminal(server: Server) -> None:
    server.answers["/"] = raw(b"HTTP/1.1 500 \x1b[31m\0bad\x85 end\r\nContent-Length: 0\r\n\r\n")
    assert get(f"{server.url}/").reason == "[31m bad end"


def test_the_answer_of_a_server_that_does_not_read_the_whole_body_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1_000_000):
                    pass

        def hang_up(self: object, data: bytes) -> None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

        serving = threading.Thread(target=refuse)
        serving.start()
        send = _Hurried.sendall
        monkeypatch.setattr(_Hurried, "sendall", lambda self, data: send(self, data) if b"HTTP/1.1" in data else hang_up(self, data))
        answer = call(
            Request("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, b"x" * 100_000),
            allowed="127.0.0.1", timeout_s=5, max_bytes=1_000,
        )  # fmt: skip
        serving.join()
    assert answer.status == 413


@pytest.mark.parametrize(
    ("url", "words"), [("http://münchen.de/", "host as xn--mnchen-3ya.de"), ("http://a..b/", "is not the name of a host")]
)
def test_a_name_that_cannot_be_one_is_refused_with_the_way_to_write_it(url: str, words: str) -> None:
    with pytest.raises(CallRefused, match=words):
        get(url)


def test_a_port_without_tls_and_a_certificate_of_an_unknown_authority_are_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CallFailed, match="this port does not speak TLS: write http://"):
        get(server.url.replace("http:", "https:"))
    server.socket = tls_of("other.test").wrap_socket(server.socket, server_side=True)
    with pytest.raises(CallFailed, match="SSL_CERT_FILE"):
        get(server.url.replace("http:", "https:"))


@pytest.mark.parametrize(
    ("status", "headers", "is_retried"),
    [
        (404, "", False), (413, "", False), (413, "Retry-After: 5\r\n", True), (413, "Retry-After: soon\r\n", False), (403, "Retry-After: 5\r\n", False),
        (421, "", True), (408, "", True), (425, "", True), (429, "", True), (500, "", True), (599, "", True),
        (300, "", False), (301, "", False), (305, "", False), (306, "", False),
    ],
)  # fmt: skip
def test_which_answers_are_tried_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int, headers: str, is_retried: bool
) -> None:
    monkeypatch.setenv("CALLBOARD_HTTP_ALLOW", "127.0.0.1")
    get_settings.cache_clear()
    server.answers["/"] = raw(f"HTTP/1.1 {status} x\r\n{headers}Content-Length: 0\r\n\r\n".encode())
    with pytest.raises(HttpError) as found:
        call_http.fn(f"{server.url}/")
    get_settings.cache_clear()
    assert isinstance(found.value, HttpRefused) is not is_retried
