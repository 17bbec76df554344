"""Frames: messages between a worker and the child process of an isolated attempt, over a socket pair.

Each packet arrives whole or not at all. If a process is killed in the middle of a long frame, the rest never arrives.
The fork server then reports its end by another kind of packet.
"""

from __future__ import annotations

import pickle
import socket
import struct
from resource import struct_rusage
from typing import Any

from ..execute.running import NOT_KNOWN, Used

#: bytes of one packet; well below what every Linux accepts at once
PACKET = 64_000
#: first byte of a packet: more of this frame follows, the frame is complete, the process has ended with this status
MORE, WHOLE, ENDED = b"+", b".", b"E"
#: of a process that has ended: its status, microseconds of CPU, bytes of memory
_END = struct.Struct("iqq")


class Ended(Exception):
    """The other side is gone; `status` as from os.wait(), None if unknown, and what its process has used."""

    def __init__(self, status: int | None, used: Used = NOT_KNOWN) -> None:
        super().__init__(status)
        self.status, self.used = status, used


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
                status, *used = _END.unpack(packet[1:])
                raise Ended(status, Used(*used))
            self._begun.append(packet[1:])
            if packet[:1] == WHOLE:
                data, self._begun = b"".join(self._begun), []
                frame: tuple[Any, ...] = pickle.loads(data)  # from our own process, which runs the same code
                return frame


def ended(status: int, used: Used) -> bytes:
    """Build the packet by which the fork server reports the end of a process."""
    return ENDED + _END.pack(status, used.cpu_us or 0, used.memory_bytes or 0)


def used_by(*usages: struct_rusage) -> Used:
    """Return what these processes have used together, from the system's records; it counts memory in kilobytes."""
    cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return Used(round(cpu_s * 1_000_000), max(usage.ru_maxrss for usage in usages) * 1024)


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
