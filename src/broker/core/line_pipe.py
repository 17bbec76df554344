"""Line pipe: writes whole lines into the pipe to Dramatiq's main process, which all threads of a worker share.

The pipe treats each write as one message, and a long one takes two system calls. Two threads writing at once would
interleave their lines. A long message torn in two would leave the main process waiting for bytes that never arrive.
Soon every thread of the worker would wait for the pipe.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import Any

from ...locks import ProcessLock

#: bytes of one message: with multiprocessing's header still within the kernel's atomic write
PIECE = select.PIPE_BUF - 64

_lock = ProcessLock()  # reentrant: a signal handler may write while its thread does


class LinePipe:
    """Wraps Dramatiq's pipe (`dramatiq.compat.StreamablePipe`)."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text in one piece, even while other threads write."""
        with _lock:
            for piece in pieces(text.encode(self.stream.encoding, "replace")):
                self.stream.pipe.send_bytes(piece)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def pieces(data: bytes) -> Iterator[bytes]:
    """Split into parts of at most PIECE bytes, never within a UTF-8 character: each is decoded alone."""
    begin = 0
    while begin < len(data):
        end = begin + PIECE
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[begin:end]
        begin = end
