"""IP addresses and networks as settings name them: `10.0.0.5,10.1.0.0/16`."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@lru_cache(maxsize=8)
def read(text: str) -> tuple[Network, ...]:
    """Parse a comma-separated list of networks; raises ValueError for an invalid one."""
    return tuple(ip_network(word.strip(), strict=False) for word in text.split(",") if word.strip())


def read_address(text: str | None) -> Address | None:
    """Parse an IP address, unwrapping IPv4 in IPv6; None if it is invalid."""
    try:
        address = ip_address((text or "").strip().removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_among(address: str | None, networks: str) -> bool:
    """True if the address lies in one of the networks."""
    found = read_address(address)
    return found is not None and any(found in each for each in read(networks) if each.version == found.version)
