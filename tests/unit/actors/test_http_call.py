"""Outgoing calls reach only public addresses, and end within their time and size."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from src.actor_schema.signature import Signature
from src.actors.http_call import HttpError, HttpRefused, call_http
from src.actors.http_client import Answer, Request, call
from src.actors.ssrf_guard import CallFailed, CallRefused, is_public
from src.jobs.attempts.current_job import RunningJob, current_job
from src.settings import get_settings
from src.up.data import ports


class Server(ThreadingHTTPServer):
    """A real HTTP server; `answers` maps a path to what it does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: dict[str, Callable[[_Handler], None]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.say(200, b"hello")
        else:
            answer(self)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_GET

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def get(
    url: str, *, allowed: str = "127.0.0.1", timeout_s: float = 5, max_bytes: int = 1000, method: str = "GET", **headers: str
) -> Answer:
    return call(
        Request(method, url, headers, b"body" if method == "POST" else b""), allowed=allowed, timeout_s=timeout_s, max_bytes=max_bytes
    )


def test_a_private_address_is_refused_before_anything_is_sent(server: Server) -> None:
    port = server.server_port
    for host in (
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f000001",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
    ):
        with pytest.raises((CallRefused, CallFailed), match=r"not public|cannot be resolved"):
            get(f"http://{host}:{port}/", allowed="")
    assert server.seen == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("10.0.0.1", False), ("172.16.0.1", False), ("192.168.1.1", False),
        ("169.254.169.254", False), ("100.64.0.1", False), ("224.0.0.1", False), ("240.0.0.1", False), ("0.0.0.0", False),
        ("255.255.255.255", False), ("::", False), ("::1", False), ("fe80::1", False), ("fe80::1%eth0", False), ("fc00::1", False), ("ff02::1", False),
        ("::ffff:10.0.0.1", False), ("::ffff:93.184.216.34", True), ("2002:0a00:0001::1", False), ("64:ff9b::a00:1", False), ("64:ff9b::5db8:d822", True),
        ("192.0.2.1", False), ("198.18.0.1", False), ("2001:db8::1", False),
        ("168.63.129.16", False), ("192.0.0.9", False), ("192.31.196.1", False), ("192.52.193.1", False), ("192.175.48.1", False),
        ("2620:4f:8000::1", False), ("2a00:1450::5efe:10.0.0.1", False), ("2a00:1450::200:5efe:10.0.0.1", False), ("2a00:1450::5efe:93.184.216.34", True),
        ("fec0::1", False), ("3fff::1", False), ("5f00::1", False), ("64:ff9b:1::1", False), ("192.88.99.1", False), ("100::1", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, expected: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is expected


def test_hosts_allowed_by_network_or_name_are_reached(server: Server) -> None:
    assert get(server.url, allowed="10.0.0.0/8, 127.0.0.0/30").text == "hello"
    assert get(f"http://localhost:{server.server_port}", allowed="localhost").text == "hello"
    with pytest.raises(CallRefused):
        get(server.url, allowed="localhost")


def test_a_name_with_one_private_address_is_refused_and_is_resolved_only_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def resolve(answers: list[str]) -> Callable[..., Any]:
        def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[min(len(asked), len(answers)) - 1], port))]

        return getaddrinfo

    real = socket.getaddrinfo
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("93.184.216.34", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: both)
    with pytest.raises(CallRefused, match=r"127\.0\.0\.1, which is not public"):
        get(f"http://rebind.example.com:{server.server_port}/", allowed="")
    # The name resolves to an allowed address for the check, and elsewhere the second time.
    judging = resolve(["127.0.0.1", "93.184.216.34"])
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: (judging if host == "rebind.example.com" else real)(host, *rest, **more)
    )
    assert get(f"http://rebind.example.com:{server.server_port}/").text == "hello"
    assert asked == ["rebind.example.com"]
    assert server.seen[-1][2]["host"] == f"rebind.example.com:{server.server_port}"


def test_a_redirect_is_judged_like_the_first_address(server: Server) -> None:
    for target in (
        f"http://127.0.0.2:{server.server_port}/",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "gopher://x/",
        "//[::1]/",
    ):
        server.answers["/away"] = lambda handler, to=target: handler.say(302, Location=to)  # type: ignore[misc]
        with pytest.raises((CallRefused, CallFailed)):
            get(f"{server.url}/away", allowed="127.0.0.1/32")
    assert {path for _, path, _, _ in server.seen} == {"/away"}


def test_redirects_are_followed_by_the_rules_and_not_for_ever(server: Server) -> None:
    other = f"http://localhost:{server.server_port}"
    server.answers |= {
        "/303": lambda handler: handler.say(303, Location="/end"),
        "/307": lambda handler: handler.say(307, Location=f"{other}/end"),
        "/loop": lambda handler: handler.say(302, Location="/loop"),
    }
    assert get(f"{server.url}/303", Authorization="secret").url == f"{server.url}/end"
    method, _, headers, body = server.seen[-1]
    assert (method, headers["authorization"]) == ("GET", "secret")

    given: Any = {"Authorization": "secret", "X-Api-Key": "secret", "Api-Token": "secret", "Idempotency-Key": "order-17"}
    assert get(f"{server.url}/307", method="POST", **given, allowed="127.0.0.1,localhost").text == "hello"
    method, _, headers, body = server.seen[-1]
    assert (method, body) == ("POST", b"body")
    assert not {"authorization", "x-api-key", "api-token"} & headers.keys(), "a secret must not follow to another house"
    assert headers["idempotency-key"] == "order-17"

    with pytest.raises(CallRefused, match="more than 5 redirects"):
        get(f"{server.url}/loop")


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_redirect_that_would_drop_the_body_is_refused(server: Server, status: int, method: str) -> None:
    server.answers["/old"] = lambda handler: handler.say(status, Location="/new?x=1")
    with pytest.raises(CallRefused, match=f"it has moved to {server.url}/new[?]x=1"):
        get(f"{server.url}/old", method=method)
    assert [path for _, path, _, _ in server.seen] == ["/old"]


@pytest.mark.parametrize("part", ["status", "header", "chunk"])
def test_a_server_that_drips_gains_no_time(server: Server, part: str) -> None:
    ends = threading.Event()

    def drip(handler: _Handler) -> None:
        begun = {"status": b"", "header": b"HTTP/1.1 200 OK\r\nX: ", "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}[
            part
        ]
        handler.wfile.write(begun)
        with contextlib.suppress(OSError):
            while not ends.wait(0.02):
                handler.wfile.write(b"1")
                handler.wfile.flush()

    server.answers["/drip"] = drip
    begun = time.monotonic()
    with pytest.raises(CallFailed):
        get(f"{server.url}/drip", timeout_s=0.3)
    ends.set()
    assert time.monotonic() - begun < 5


def test_a_resolver_that_hangs_takes_no_more_than_the_time_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: ends.wait(20) and [])
    with pytest.raises(CallFailed, match="cannot be resolved: the time is over"):
        get("http://example.com/", timeout_s=0.1)
    ends.set()


def test_size_and_time_are_bounded(server: Server) -> None:
    server.answers["/big"] = lambda handler: handler.say(200, b"x" * 1001)
    with pytest.raises(CallRefused, match="longer than max_bytes"):
        get(f"{server.url}/big")

    def drip(handler: _Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b".")
            handler.wfile.flush()
            time.sleep(0.1)  # a server that is slow, not a test that waits

    server.answers["/drip"] = drip
    begun = time.monotonic()
    with pytest.raises(CallFailed, match="time"):
        get(f"{server.url}/drip", timeout_s=0.5)
    assert time.monotonic() - begun < 5

    with pytest.raises(CallFailed, match="cannot be reached"):
        get(f"http://127.0.0.1:{ports.anywhere(['nobody'])['nobody']}/")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "http://",
        "http://user:pass@example.com/",
        "http://a b/",
        "http://x/\r\nHost: y",
        "http://x:99999/",
        "javascript:1",
    ],
)
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(CallRefused):
        get(url)


@pytest.mark.parametrize(
    "headers",
    [{"X": "a\r\nY: b"}, {"X\r\nY": "a"}, {"Host": "elsewhere"}, {"Transfer-Encoding": "chunked"}, {"": "x"}, {"a": "1", "A": "2"}],
)
def test_headers_cannot_be_smuggled(server: Server, headers: dict[str, str]) -> None:
    with pytest.raises(CallRefused, match="headers"):
        call(Request("GET", server.url, headers, b""), allowed="127.0.0.1", timeout_s=5, max_bytes=10)
    assert server.seen == []


def test_the_actor_tells_what_came_and_which_errors_are_worth_another_try(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_HTTP_ALLOW", "127.0.0.1")
    get_settings.cache_clear()
    try:
        result = call_http(f"{server.url}/", "POST", headers={"Content-Type": "text/plain"}, body="ü", authorization=SecretStr("Bearer x"))
        assert (result["status"], result["body"], result["bytes"]) == (200, "hello", 5)
        _, _, headers, body = server.seen[-1]
        assert (headers["authorization"], body.decode()) == ("Bearer x", "ü")
        for status, error in ((404, HttpRefused), (503, HttpError), (429, HttpError)):
            server.answers["/bad"] = lambda handler, status=status: handler.say(status, b"why", Retry_After="7")  # type: ignore[misc]
            with pytest.raises(error) as failed:
                call_http(f"{server.url}/bad")
            assert type(failed.value) is error
            assert failed.value.response.headers["retry-after"] == "7"
    finally:
        get_settings.cache_clear()
    assert Signature.of(call_http).secrets == {"authorization", "headers"}


def test_a_header_is_sent_once_however_its_name_is_written(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "http_allow", "127.0.0.1")
    job = RunningJob(
        seq=1, id="the job", actor="call_http", queue="http", attempt=1, worker="here:1", scheduled_for=None, open_session=None
    )
    monkeypatch.setattr(current_job, "job", job)
    sent: list[Message[str, str]] = []

    def answer(handler: _Handler) -> None:
        sent.append(handler.headers)
        handler.say(200)

    server.answers["/"] = answer
    own: dict[str, str | SecretStr] = {
        "accept": "application/json",
        "USER-AGENT": "mine",
        "idempotency-key": "order-7",
        "authorization": "Bearer old",
    }
    call_http.fn(f"{server.url}/", headers=own, authorization=SecretStr("Bearer new"))
    call_http.fn(f"{server.url}/")

    names = ("Accept", "User-Agent", "Idempotency-Key", "Authorization")
    assert [sent[0].get_all(name) for name in names] == [["application/json"], ["mine"], ["order-7"], ["Bearer new"]]
    assert [sent[1].get_all(name) for name in names[:1] + names[2:]] == [["*/*"], ["the job"], None]


@pytest.mark.parametrize("name", ["Authorization", "proxy-authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "X-Hub-Signature"])
def test_credentials_among_the_headers_are_sealed_and_masked(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(get_settings(), "http_allow", "127.0.0.1")
    signature = Signature.of(call_http)
    given = {name: "planted-word", "Content-Type": "application/json", "Idempotency-Key": "number-one"}
    args, kwargs = signature.check((server.url,), {"headers": given})
    assert "planted-word" not in str(kwargs)
    call_args, call_kwargs = signature.coerce(args, kwargs)
    assert signature.secret_texts(call_args, call_kwargs) == {"planted-word"}
    call_http.fn(*call_args, **call_kwargs)
    [(_, _, seen, _)] = server.seen
    assert (seen[name.lower()], seen["content-type"], seen["idempotency-key"]) == ("planted-word", "application/json", "number-one")
    old = signature.coerce([server.url], {"headers": given})  # of a job that an earlier release has stored
    assert call_http.fn(*old[0], **old[1])["status"] == 200
