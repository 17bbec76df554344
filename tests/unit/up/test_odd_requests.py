"""Requests that no browser sends: what the web front end passes on, and what it refuses before it takes its time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import cast

import pytest

from src.formats.url_segments import unescape
from src.web.http.requests.path_segments import QuotedSegments
from tests.harness.waiting import eventually
from tests.unit.up.test_slow_clients import Application, Site, is_ended, site

__all__ = ["site"]  # the fixture

CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_the_headers_of_a_proxy_reach_the_application() -> None:
    """It decides itself whom to trust; a front end that drops them would make all clients of a proxy one address."""
    seen: dict[str, str] = {}

    def note(environ: dict[str, str], start: Callable[..., object]) -> list[bytes]:
        seen.update(environ)
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with ExitStack() as stack:
        client = Site(stack, note).connect(
            b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n"
            b"X_Remote_User: admin\r\n\r\n"
        )
        assert client.recv(20).startswith(b"HTTP/1.1 200 OK")
    assert (seen["HTTP_X_FORWARDED_FOR"], seen["HTTP_X_FORWARDED_PROTO"]) == ("192.0.2.1, 198.51.100.7", "https")
    assert "HTTP_X_REMOTE_USER" not in seen  # with underscores it would stand for a header that a proxy overwrites


@pytest.mark.parametrize("target", [b"/api/v1/jobs/a%2Fb%2E/stack?x=%2F", b"http://x/api/v1/jobs/a%2fb%2E/stack"])
def test_a_slash_within_a_segment_reaches_the_application(target: bytes) -> None:
    paths: list[str] = []

    def note(environ: dict[str, str], start: Callable[..., object]) -> list[bytes]:
        paths.append(environ["PATH_INFO"])
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with ExitStack() as stack:
        client = Site(stack, cast(Application, QuotedSegments(note))).connect(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(20).startswith(b"HTTP/1.1 200 OK")
    assert [unescape(path.split("/")[4]) for path in paths] == ["a/b."]


@pytest.mark.parametrize(
    "endless",
    [b"5;" + b"x" * 100_000, b"0\r\n" + b"X-Trailer: " + b"x" * 100_000, b"0" * 100_000],
    ids=["extension", "trailer", "size"],
)
def test_what_surrounds_the_chunks_of_a_body_has_a_limit(site: Site, endless: bytes) -> None:
    client = site.connect(CHUNKED)
    client.sendall(endless)
    assert client.recv(30).startswith(b"HTTP/1.1 400 Bad Request")
    eventually(lambda: is_ended(client), what="the connection is ended")


def test_a_body_in_chunks_arrives(site: Site) -> None:
    client = site.connect(CHUNKED + b"5;name=value\r\nhello\r\n0\r\nX-Trailer: x\r\n\r\n")
    assert client.recv(20).startswith(b"HTTP/1.1 200 OK")
