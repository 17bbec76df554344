"""Who signs in at a proxy: a trusted proxy tells the user's name in a header, and nobody else is believed."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from flask import request
from sqlalchemy import select
from werkzeug.exceptions import Forbidden

from src import database
from src.settings import get_settings
from src.web.auth import users, witness
from src.web.roles import Role
from src.web.tables import User

Network = IPv4Network | IPv6Network


def check_settings() -> None:
    """Raise ValueError with the cure for settings that would believe anybody, or make no sense."""
    settings = get_settings()
    if settings.proxy_user_header and not _networks(settings.proxy_addresses):
        raise ValueError(
            "CALLBOARD_PROXY_USER_HEADER needs CALLBOARD_PROXY_ADDRESSES: the addresses of the proxy, e.g. 10.0.0.5 or 10.0.0.0/24."
            " Without them anybody could send the header."
        )


def user() -> User | None:
    """The user whom the proxy in front has signed in; None: no such proxy, or it names nobody. Raises Forbidden for a user who may not in."""
    settings = get_settings()
    name = request.headers.get(settings.proxy_user_header, "").strip() if settings.proxy_user_header else ""
    if not name or not _is_trusted(request.remote_addr, settings.proxy_addresses):
        return None
    found = _find(name)
    if found is None and settings.proxy_new_users:
        found = _made(name, Role(settings.proxy_new_users))
    if found is None or found.disabled_at is not None:
        raise Forbidden(f"The proxy has signed in {name!a:.160}, who is {'disabled' if found else 'no user'} here. Ask an administrator.")
    return found


def _find(name: str) -> User | None:
    with database.read() as session:
        return session.execute(select(User).where(User.name == name)).scalar_one_or_none()


def _made(name: str, role: Role) -> User | None:
    if not users.NAME.fullmatch(name):
        return None
    with database.write() as session:
        # Two first requests at once make one user.
        if session.execute(select(User.id).where(User.name == name)).first() is None:
            session.add(User(name=name, password_hash="", role=role, created_at=database.now()))
            witness.note(session, "user.create", name, by="proxy", role=role.value)
    return _find(name)


def _is_trusted(address: str | None, networks: str) -> bool:
    try:
        peer = ip_address(address or "")
    except ValueError:
        return False
    return any(peer in network for network in _networks(networks) if network.version == peer.version)


@lru_cache(maxsize=8)
def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(word.strip(), strict=False) for word in text.split(",") if word.strip())
    except ValueError as error:
        raise ValueError(
            f"CALLBOARD_PROXY_ADDRESSES: {error}. Write addresses or networks, comma separated, e.g. 10.0.0.5,10.1.0.0/16."
        ) from None
