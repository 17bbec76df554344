"""Frames: messages between a worker and the child process of an isolated attempt, over a socket pair.

Each packet arrives whole or not at all. If a process is killed in the middle of a long frame, the rest never arrives.
The fork server then reports its end by another kind of packet.
"""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

#: bytes of one packet; well below what every Linux accepts at once
PACKET = 64_000
#: first byte of a packet: more of this frame follows, the frame is complete, the process has ended with this status
MORE, WHOLE, ENDED = b"+", b".", b"E"


class Ended(Exception):
    """The other side is gone; `status` as from os.wait(), None if unknown."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status


class Frames:
    """One end of the pair. Not thread-safe: one thread at a time may send, and one receive."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._begun: list[bytes] = []

    def send(self, *frame: Any) -> None:
        """Send one frame; raises OSError if the other side is gone, TimeoutError if it does not read."""
        data = pickle.dumps(frame, protocol=5)
        parts = [data[start : start + PACKET] for start in range(0, len(data), PACKET)]
        for part in parts[:-1]:
            self.end.sendall(MORE + part)
        self.end.sendall(WHOLE + parts[-1])

    def receive(self, timeout_s: float | None) -> tuple[Any, ...] | None:
        """Return the next frame, or None after `timeout_s` seconds without one; raises Ended."""
        self.end.settimeout(timeout_s)
        while True:
            try:
                packet = self.end.recv(PACKET + 1)
            except TimeoutError:
                return None
            except OSError:
                raise Ended(None) from None
            if not packet:
                raise Ended(None)
            if packet[:1] == ENDED:
                raise Ended(struct.unpack("i", packet[1:])[0])
            self._begun.append(packet[1:])
            if packet[:1] == WHOLE:
                data, self._begun = b"".join(self._begun), []
                frame: tuple[Any, ...] = pickle.loads(data)  # from our own process, which runs the same code
                return frame


def ended(status: int) -> bytes:
    """Build the packet by which the fork server reports the end of a process."""
    return ENDED + struct.pack("i", status)


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
