"""`python -m bench.hostile`: how long other clients wait while hostile ones send slowly, deeply or much. One minute.

Two hundred sockets send half a head, half a body, or do not read; four clients with a token send bodies nested 300
levels deep, or of 30 MB. Meanwhile one client requests a page each 50 ms.
"""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

from bench.site import open_site, parser, share, tell
from bench.viewers import front_end
from tests.harness.breakable import submitters_token
from tests.unit.up.test_slow_clients import HALF_BODY, HALF_HEAD, WHOLE

SOCKETS, SENDERS = 200, 4
#: seconds of each attack, and between two requests of the client that is measured
ATTACK_S, PAUSE_S = 8.0, 0.05
#: seconds that 95 of 100 of its requests may take at most
MOST_S = 1.0
NESTED = b'{"actor": "add", "args": [' + b"[" * 300 + b"]" * 300 + b", 2]}"
LARGE = b'{"actor": "add", "args": ["' + b"x" * 30_000_000 + b'", 2]}'


@contextmanager
def slow(url: str, text: bytes) -> Iterator[None]:
    """Hold sockets that have sent this text and go on no further."""
    where = urlsplit(url)
    with ExitStack() as stack:
        for _ in range(SOCKETS):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect((where.hostname or "", where.port or 0))
            client.sendall(text)
        yield


@contextmanager
def sent(url: str, token: str, body: bytes) -> Iterator[None]:
    """Send this body to the API again and again, from several threads."""
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            request = urllib.request.Request(f"{url}/api/v1/jobs", body, method="POST")
            request.add_header("Authorization", f"Bearer {token}")
            request.add_header("Content-Type", "application/json")
            with suppress(OSError):  # it is refused, also in the middle of the body
                urllib.request.urlopen(request, timeout=30).close()

    threads = [threading.Thread(target=send, daemon=True) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


def waits(url: str) -> tuple[list[float], int]:
    """Return the seconds that each request took, and how many failed."""
    seconds, failed, end = [], 0, time.monotonic() + ATTACK_S
    while time.monotonic() < end:
        begun = time.monotonic()
        try:
            urllib.request.urlopen(f"{url}/sign-in", timeout=20).close()
        except OSError:
            failed += 1
        seconds.append(time.monotonic() - begun)
        time.sleep(PAUSE_S)
    return seconds, failed


def main() -> None:
    chosen = parser(__doc__).parse_args()
    lines, kept = [], []
    with open_site(chosen.store) as site, front_end(site) as (_, url):
        token = submitters_token()
        attacks: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "half heads": partial(slow, url, HALF_HEAD),
            "half bodies": partial(slow, url, HALF_BODY),
            "answers that are not read": partial(slow, url, WHOLE * 4),
            "bodies of 300 levels": partial(sent, url, token, NESTED),
            "bodies of 30 MB": partial(sent, url, token, LARGE),
        }
        for name, attack in attacks.items():
            with attack():
                seconds, failed = waits(url)
            lines.append(
                f"{name:<28}{len(seconds):>5} requests, p50 {share(seconds, 0.5) * 1000:5.0f} ms, p95 {share(seconds, 0.95) * 1000:5.0f} ms"
            )
            kept.append(
                (f"{name}: every request is answered, 95 of 100 within {MOST_S:.0f} s", not failed and share(seconds, 0.95) < MOST_S)
            )
    tell("hostile clients", chosen.store, lines, kept)


if __name__ == "__main__":
    main()
