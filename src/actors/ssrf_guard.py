"""SSRF guard: resolve a name once, and reject private addresses.

The caller connects to a checked address itself. If a library resolved the name again, the name's owner could give
another answer the second time (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from queue import Empty, Queue
from typing import Any

#: IPv6 ranges that embed an IPv4 address, which is the one to check
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

#: interface identifiers of ISATAP, which embed one as well; their bit for "global" varies
_ISATAP, _GLOBAL_BIT = 0x0000_5EFE, 0x0200_0000
#: ranges that Python counts as global: former site-local addresses, documentation, SRv6, local NAT64, 6to4 relays, protocol assignments,
#: name servers for private addresses, and the address at which a machine in Azure reads its own configuration
_NOT_PUBLIC = [
    ipaddress.ip_network(each)
    for each in (
        "fec0::/10", "3fff::/20", "5f00::/16", "64:ff9b:1::/48", "100::/64", "2620:4f:8000::/48", "192.0.0.0/24", "192.31.196.0/24",
        "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24", "168.63.129.16/32",
    )
]  # fmt: skip

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class CallRefused(Exception):
    """The call is refused; a retry would not help."""


class CallFailed(Exception):
    """No answer, or an incomplete one: retry."""


def reachable(host: str, port: int, allowed: str, deadline: float) -> Iterator[Address]:
    """Return the addresses of a host, all checked before the first is connected to; raises CallRefused or CallFailed."""
    try:
        found = _resolve(host, port, deadline)
    except UnicodeError:
        raise CallRefused(f"{host!a:.100} is not the name of a host") from None
    except (OSError, ValueError) as error:
        raise CallFailed(f"{host} cannot be resolved: {error}") from None
    names, networks = _read_allowed(allowed)
    for address in dict.fromkeys(found):
        if host.lower().rstrip(".") not in names and not any(address in network for network in networks) and not is_public(address):
            raise CallRefused(f"{host} is {address}, which is not public: name the host or its network in CALLBOARD_HTTP_ALLOW to allow it")
        yield address


def is_public(address: Address) -> bool:
    """True for a public address, also if it embeds an IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if hidden is None and (address in _NAT64 or (int(address) >> 32) & 0xFFFF_FFFF & ~_GLOBAL_BIT == _ISATAP):
            hidden = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if hidden is not None:
            return is_public(hidden)
        if address.scope_id is not None:
            return False
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved and not address.is_unspecified


def _resolve(host: str, port: int, deadline: float) -> list[Address]:
    """Resolve a host; the system's resolver has no timeout, so it is abandoned in its thread when the deadline passes."""
    found: Queue[list[Address] | Exception] = Queue()

    def look_up() -> None:
        try:
            found.put([ipaddress.ip_address(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError, ValueError) as error:
            found.put(error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        answer = found.get(timeout=max(0.001, deadline - time.monotonic()))
    except Empty:
        raise TimeoutError("the time is over") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _read_allowed(text: str) -> tuple[set[str], list[Any]]:
    names: set[str] = set()
    networks = []
    for part in filter(None, (part.strip().lower() for part in text.split(","))):
        try:
            networks.append(ipaddress.ip_network(part, strict=False))
        except ValueError:
            names.add(part.rstrip("."))
    return names, networks
