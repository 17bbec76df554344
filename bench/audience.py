"""Viewers of live pages: each holds an event stream like a browser, and reopens it when it ends."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

#: seconds until a browser connects again after its stream has ended
AGAIN_S = 0.5


class Audience:
    """Viewers of these paths, one each, in a thread of their own. Use as a context."""

    def __init__(self, url: str, cookie: str, paths: Sequence[str]) -> None:
        self.open = self.messages = self.opened = self.refused = 0
        self._address, self._cookie, self._paths = urlsplit(url), cookie, paths
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Audience:
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(self._loop)])
        self._thread.join(30)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._gather())
        self._loop.close()

    async def _gather(self) -> None:
        await asyncio.gather(*(self._look(path) for path in self._paths))

    async def _look(self, path: str) -> None:
        is_over = False
        while not is_over:
            with suppress(OSError, asyncio.IncompleteReadError):
                is_over = await self._stream(path)
            await asyncio.sleep(AGAIN_S)

    async def _stream(self, path: str) -> bool:
        """Read one stream to its end; whether that was the end of what is looked at."""
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port, limit=2**22)
        try:
            writer.write(request(self._address.netloc, path, self._cookie))
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.partition(b"\r\n")[0]:
                self.refused += 1
                return False
            self.opened += 1
            self.open += 1
            try:
                while line := await reader.readline():
                    self.messages += line == b"\n"
                    if line == b"event: done\n":
                        return True
                return False
            finally:
                self.open -= 1
        finally:
            writer.close()


def request(host: str, path: str, cookie: str) -> bytes:
    """The request of a stream, byte by byte."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nAccept: text/event-stream\r\n\r\n".encode()


def fall_asleep(url: str, cookie: str, path: str) -> socket.socket | None:
    """Open a stream, read its beginning, and never again: a laptop that was closed. The connection is not ended. None: there was no room."""
    address = urlsplit(url)
    sleeper = socket.create_connection((address.hostname, address.port or 80), timeout=30)
    sleeper.sendall(request(address.netloc, path, cookie))
    if sleeper.recv(4096).startswith(b"HTTP/1.1 200"):
        return sleeper
    sleeper.close()
    return None


def held(url: str, sleepers: Sequence[socket.socket]) -> int:
    """Return the number of these connections that the server still holds (Linux: state 01 is established)."""
    port = urlsplit(url).port
    theirs = {sleeper.getsockname()[1] for sleeper in sleepers}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = [(int(row[1].rpartition(":")[2], 16), int(row[2].rpartition(":")[2], 16)) for row in rows if row[3] == "01"]
    return sum(local == port and remote in theirs for local, remote in ends)
