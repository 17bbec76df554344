"""Line pipe: writes whole lines into the pipe to Dramatiq's main process, which all threads of a worker share.

That pipe takes each write as one message, a long one in two steps. Of two threads that write at once the line of one would
stand in the middle of the other's; and a long message torn in two would leave the main process waiting for bytes that
never come, and soon each thread of the worker waiting for the pipe.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from typing import Any

#: bytes of one message: with what multiprocessing puts before it no more than the kernel writes in one step
PIECE = select.PIPE_BUF - 64

_lock = threading.RLock()  # a signal handler may write while its thread does


class LinePipe:
    """Stands before Dramatiq's pipe (`dramatiq.compat.StreamablePipe`)."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write it in one piece, also while other threads write."""
        with _lock:
            for piece in pieces(text.encode(self.stream.encoding, "replace")):
                self.stream.pipe.send_bytes(piece)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut into parts of at most PIECE bytes, none of which ends within a UTF-8 character: each is decoded alone."""
    begin = 0
    while begin < len(data):
        end = begin + PIECE
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[begin:end]
        begin = end


def _forget_lock() -> None:
    """In a forked child: the thread that held it is not there."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_forget_lock)
