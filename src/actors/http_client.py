"""HTTP client with SSRF protection: connects to an address that the SSRF guard has checked, with one deadline for all.

The name of the host is used in TLS and in the Host header only.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from .. import __version__
from ..formats.domain_names import in_ascii
from ..formats.quantities import counted
from .ssrf_guard import CallFailed, CallRefused, reachable

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
#: bytes read at a time
CHUNK = 16_384
#: names of headers whose values are credentials: for the original host, not for the one that a redirect leads to
CREDENTIALS = re.compile(r"auth|cookie|password|secret|session|signature|token|(?<!idempotency-)key", re.IGNORECASE)
#: headers that describe the message itself and that this client sets
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect", "keep-alive"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8000}")
#: characters of a redirect's address that are kept; others, such as spaces and umlauts, are sent as %XX, as browsers do
_KEPT = "!#$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True, slots=True)
class Request:
    """The request to send."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The response, from the last of the redirects."""

    url: str
    status: int
    reason: str
    headers: dict[str, str]
    text: str
    size: int  # bytes
    seconds: float

    @property
    def redirect(self) -> str | None:
        """Return the address that the server redirects to, or None."""
        target = self.headers.get("location") if self.status in REDIRECTS else None
        if target is None:
            return None
        target = quote(target.encode("latin-1", "replace"), safe=_KEPT)  # http.client decodes headers as Latin-1
        try:
            return urljoin(self.url, target)
        except ValueError:
            return target


def call_once(request: Request, *, allowed: str, timeout_s: float, max_bytes: int) -> Answer:
    """Like call(), but follow no redirect, and read at most `max_bytes` of an answer: its status counts."""
    _check_headers(request.headers)
    return _once(request, allowed=allowed, deadline=time.monotonic() + timeout_s, max_bytes=max_bytes, is_cut=True)


def call(request: Request, *, allowed: str, timeout_s: float, max_bytes: int) -> Answer:
    """Make the call within `timeout_s` seconds in all; raises CallRefused or CallFailed.

    `allowed`: hosts and networks that may be reached although they are not public, separated by commas. A redirect is
    followed only if it repeats the request: for methods other than GET and HEAD only on 307 and 308.
    """
    _check_headers(request.headers)
    begun = time.monotonic()
    deadline = begun + timeout_s
    for _ in range(MOST_REDIRECTS + 1):
        answer = _once(request, allowed=allowed, deadline=deadline, max_bytes=max_bytes)
        target = answer.redirect
        if target is None:
            return replace(answer, seconds=round(time.monotonic() - begun, 3))
        request = _redirected(request, answer, target)
    raise CallRefused(f"more than {MOST_REDIRECTS} redirects, the last to {request.url:.200}")


def _once(request: Request, *, allowed: str, deadline: float, max_bytes: int, is_cut: bool = False) -> Answer:
    parts = _parts(request.url)
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    addresses = list(reachable(host, port, allowed, deadline))
    problem: Exception | None = None
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        connection = _Pinned(host, port, address=str(address), is_secure=parts.scheme == "https", deadline=deadline, share=left)
        with closing(connection):
            try:
                connection.connect()
            except OSError as error:
                problem = error  # another address of the name may answer
                continue
            try:
                return _exchange(connection, request, parts, max_bytes=max_bytes, is_cut=is_cut)
            except (OSError, http.client.HTTPException) as error:
                raise CallFailed(f"{_origin(parts)}: {_words(error)}") from None
    raise CallFailed(f"{_origin(parts)} cannot be reached: {_words(problem)}") from None


def _words(error: Exception | None) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut short" + (f", {counted(error.expected, 'byte is', 'bytes are')} missing" if error.expected else "")
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, http.client.RemoteDisconnected):
        return f"the answer is not HTTP: {error.args[0]!a:.100}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message} ({error.reason}); if its authority is your own, name its file in the environment variable SSL_CERT_FILE"
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return f"this port does not speak TLS: write http:// ({error.reason})"
    return _printable(str(error)) or type(error).__name__


def _printable(text: str) -> str:
    """The text in one line without control characters: PostgreSQL stores no NUL, and a terminal would obey escape sequences."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _exchange(connection: _Pinned, request: Request, parts: SplitResult, *, max_bytes: int, is_cut: bool) -> Answer:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    given = {name.lower() for name in request.headers}
    stock = {"User-Agent": f"callboard/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
    headers = {**{name: value for name, value in stock.items() if name.lower() not in given}, **request.headers, "Connection": "close"}
    hung_up: OSError | None = None
    try:
        connection.request(request.method, path, body=request.body or None, headers=headers)
    except (BrokenPipeError, ConnectionResetError) as error:
        hung_up = error  # it may have said why, such as 413, before it had read everything
    sock: Any = connection.sock  # the response closes it
    with closing(_response(sock, request.method)) as response:
        if hung_up is not None and response.status < 400:
            raise hung_up
        content = b"".join(_read(response, max_bytes=max_bytes, is_cut=is_cut))
        content = content if is_cut else _decoded(content, response.headers.get("content-encoding", ""), max_bytes=max_bytes)
        charset = response.headers.get_content_charset("utf-8")
        try:
            text = content.decode(charset, "replace")
        except (LookupError, ValueError):  # an unknown character set, or one that is not for bytes
            text = content.decode("utf-8", "replace")
        known = {name.lower(): value for name, value in response.getheaders()}
        return Answer(request.url, response.status, _printable(response.reason), known, text, len(content), 0.0)


def _response(sock: Any, method: str) -> http.client.HTTPResponse:
    """Read up to the end of the headers, past interim answers such as 103; http.client takes all but 100 for the answer itself."""
    response = http.client.HTTPResponse(sock, method=method)
    while True:
        response.begin()
        if sock.reader.last_line not in (b"\r\n", b"\n"):
            raise http.client.IncompleteRead(sock.reader.last_line)  # http.client takes an end within the headers for their end
        if response.status >= 200:
            break
        if response.status == 101:
            raise http.client.HTTPException("it wants to speak another protocol (101)")
        response.headers = None  # type: ignore[assignment]  # so that begin() reads the next answer
    lengths = {part.strip() for value in response.headers.get_all("content-length", ()) for part in value.split(",")}
    coding = response.headers.get("transfer-encoding", "chunked").strip().lower()
    if len(lengths) > 1 or not all(each.isascii() and each.isdigit() and len(each) < 19 for each in lengths) or coding != "chunked":
        raise http.client.HTTPException("its Content-Length or Transfer-Encoding cannot be understood")
    return response


def _decoded(content: bytes, coding: str, *, max_bytes: int) -> bytes:
    """Return the body, of a server that compresses it unasked, too; never more than `max_bytes`."""
    coding = coding.strip().lower()
    if coding in ("", "identity") or not content:
        return content
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise CallRefused(f"the answer is compressed as {coding!a:.40}, which was not asked for")
    unpacker = zlib.decompressobj(15 + 32)
    try:
        content = unpacker.decompress(content, max_bytes + 1)
    except zlib.error as error:
        raise http.client.HTTPException(f"its {coding} cannot be unpacked: {error}") from None
    if len(content) > max_bytes:
        raise CallRefused(f"the answer is longer than max_bytes ({max_bytes})")
    if not unpacker.eof:
        raise http.client.IncompleteRead(content)
    return content


def _read(response: http.client.HTTPResponse, *, max_bytes: int, is_cut: bool) -> Iterator[bytes]:
    total = 0
    while not response.isclosed():  # from Python 3.13 on it closes itself, and the socket, with the last byte
        chunk = response.read1(CHUNK)
        if not chunk and response.length:
            raise http.client.IncompleteRead(b"", response.length)  # read1() does not raise it
        if not chunk:
            return
        total += len(chunk)
        if total > max_bytes and is_cut:
            return
        if total > max_bytes:
            raise CallRefused(f"the answer is longer than max_bytes ({max_bytes})")
        yield chunk


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_url = False
    if not is_url or any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise CallRefused(f"{url!a:.200} is not an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise CallRefused("a URL with a password in it would be shown everywhere: use `authorization`")
    if not url.isascii():
        raise CallRefused(f"{url!a:.200} must be written in ASCII, other characters as %XX{_ascii_host(str(parts.hostname))}")
    return parts


def _ascii_host(host: str) -> str:
    plain = in_ascii(host)
    if plain == host:
        return ""
    return f" and the host as {'it is registered: xn--…' if plain is None else plain}"


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise CallRefused(f"headers: {name!a:.100} cannot be set")
        if not _HEADER_VALUE.fullmatch(value):
            raise CallRefused(f"headers: the value of {name} must be one line of Latin characters")
    if len({name.lower() for name in headers}) < len(headers):
        raise CallRefused("headers: one name is given twice, with other capital letters")


def _redirected(request: Request, answer: Answer, url: str) -> Request:
    if request.method not in ("GET", "HEAD") and answer.status not in (307, 308):
        # Browsers turn it into a GET without the body: the receiver would answer 200 and have received nothing.
        raise CallRefused(f"{answer.status} {answer.reason} from {request.url:.200}: it has moved to {url:.500}; give that address")
    before, after = _parts(request.url), _parts(url)
    headers = dict(request.headers)
    if before.scheme == "https" and after.scheme == "http":
        raise CallRefused(f"it redirects from https to {url:.200}")
    if _origin(before) != _origin(after):
        headers = {name: value for name, value in headers.items() if not CREDENTIALS.search(name)}
    return Request(request.method, url, headers, request.body)


def _origin(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}"


class _Hurried:
    """A socket whose reads and writes share one deadline: a server that sends byte by byte cannot extend it."""

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left

    def sendall(self, data: Any) -> None:
        """Send all, as http.client expects of a socket."""
        self._sock.settimeout(self._left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the reading side, as http.client expects; it outlives close(), like that of a socket."""
        self.reader = _Lines(_HurriedReads(self._sock, self._left))
        return self.reader

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


class _Lines(io.BufferedReader):
    """Buffered reads that keep the last line, a line break after complete headers."""

    last_line = b""

    def readline(self, size: int | None = -1, /) -> bytes:
        self.last_line = super().readline(size)
        return self.last_line


class _HurriedReads(io.RawIOBase):
    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Pinned(http.client.HTTPConnection):
    """A connection to one address under a host's name."""

    def __init__(self, host: str, port: int, *, address: str, is_secure: bool, deadline: float, share: int) -> None:
        super().__init__(host, port, timeout=max(deadline - time.monotonic(), 0.001))
        self._address = address
        self._is_secure = is_secure
        self._deadline = deadline
        self._share = share  # addresses left to try
        self.default_port = 443 if is_secure else 80  # so that the Host header names other ports only

    def connect(self) -> None:
        """Connect to the checked address, not to what the name resolves to by now."""
        # A part of the time: an address that does not answer, such as an IPv6 one without a route, leaves the rest to the next.
        self.sock = socket.create_connection((self._address, self.port), timeout=self._left() / self._share)
        if self._is_secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
        self.sock = _Hurried(self.sock, self._left)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        return left
