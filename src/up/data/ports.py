"""Free TCP ports on the loopback address, stable per data folder while they are free."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

#: the state of a listening socket in /proc/net/tcp
_LISTENING = "0A"


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """True if a program can listen on the port now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # SO_REUSEADDR as servers set it: connections in TIME_WAIT do not block the port, another listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def pick(preferred: dict[str, int]) -> dict[str, int]:
    """Assign each name its preferred port or the next free one above; all distinct."""
    taken: set[int] = set()
    picked: dict[str, int] = {}
    for name, port in preferred.items():
        picked[name] = next(candidate for candidate in _upwards(port) if candidate not in taken and is_free(candidate))
        taken.add(picked[name])
    return picked


def anywhere(names: list[str]) -> dict[str, int]:
    """Free ports from a random start, for test servers.

    They lie below the kernel's ephemeral range: an outgoing connection could take the port of a stopped server,
    which then could not restart.
    """
    return pick({name: random.randint(10_000, 32_000) for name in names})


def _upwards(port: int) -> Iterator[int]:
    yield from range(port, 65536)
    yield from range(1024, port)


def holder(port: int) -> int | None:
    """Process id of the listener on this port, if this user may see it."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for _, local, _, state, _, _, _, _, _, inode, *_ in (line.split() for line in lines):
            if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{inode}]")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) in inodes:
                return int(link.parts[2])
        except OSError:  # process ended, or belongs to another user
            continue
    return None
