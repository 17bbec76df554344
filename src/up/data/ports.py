"""Free TCP ports on the loopback address, the same ones again for the same data folder when they are still free."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

#: the state of a listening socket in /proc/net/tcp
_LISTENING = "0A"


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a program could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do: a closed connection that lingers does not take the port, another listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def pick(preferred: dict[str, int]) -> dict[str, int]:
    """For each name its preferred port, or the next free one above it; no two alike."""
    taken: set[int] = set()
    picked: dict[str, int] = {}
    for name, port in preferred.items():
        picked[name] = next(candidate for candidate in _upwards(port) if candidate not in taken and is_free(candidate))
        taken.add(picked[name])
    return picked


def anywhere(names: list[str]) -> dict[str, int]:
    """Free ports from a random one on, for things that live as long as a test.

    Below the range from which the kernel takes the ports of outgoing connections: one of those could sit on a server's port
    while that server is down, and it could not start again.
    """
    return pick({name: random.randint(10_000, 32_000) for name in names})


def _upwards(port: int) -> Iterator[int]:
    yield from range(port, 65536)
    yield from range(1024, port)


def holder(port: int) -> int | None:
    """The process that listens on this port, as far as this user may see."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        fields = [line.split() for line in lines]
        inodes |= {f"socket:[{f[9]}]" for f in fields if f[3] == _LISTENING and int(f[1].rpartition(":")[2], 16) == port}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) in inodes:
                return int(link.parts[2])
        except OSError:  # gone meanwhile, or another user's
            continue
    return None
