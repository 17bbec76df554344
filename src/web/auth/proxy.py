"""Trusted proxies (CALLBOARD_PROXY_ADDRESSES): client address, scheme and user from their headers, and from no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request
from sqlalchemy import select

from ...configuration import ip_networks
from ...operations.people import users
from ...operations.people.caller import Forbidden
from ...operations.people.models import User
from ...operations.people.roles import Role
from ...settings import get_settings
from ...sql import clock, database
from . import audit_hooks

#: environ key of the connection's own address, kept when a header replaces REMOTE_ADDR
_PEER = "callboard.peer"


def check_settings() -> None:
    """Raise ValueError with the cure for proxy settings that are inconsistent or would trust every client."""
    settings = get_settings()
    try:
        trusted = ip_networks.read(settings.proxy_addresses)
    except ValueError as error:
        raise ValueError(
            f"CALLBOARD_PROXY_ADDRESSES: {error}. Write addresses or networks, comma separated, e.g. 10.0.0.5,10.1.0.0/16."
        ) from None
    if settings.proxy_user_header and not trusted:
        raise ValueError(
            "CALLBOARD_PROXY_USER_HEADER needs CALLBOARD_PROXY_ADDRESSES: the addresses of the proxy, e.g. 10.0.0.5 or 10.0.0.0/24."
            " Without them any client could forge the header."
        )


def init(app: Flask) -> None:
    """Install the middleware that takes client address and scheme from trusted proxies."""
    check_settings()
    app.wsgi_app = _Forwarded(app.wsgi_app)  # type: ignore[method-assign]


class _Forwarded:
    """WSGI middleware for `X-Forwarded-For` and `X-Forwarded-Proto` of trusted proxies; ignores those of other clients."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        trusted = get_settings().proxy_addresses
        peer = environ[_PEER] = environ.get("REMOTE_ADDR", "")
        if trusted and ip_networks.is_among(peer, trusted):
            environ["REMOTE_ADDR"] = _client(peer, environ.get("HTTP_X_FORWARDED_FOR", ""), trusted)
            # The nearest proxy appends last; earlier values come from clients and cannot be trusted.
            scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
            if scheme in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
        return self._application(environ, start_response)


def _client(peer: str, forwarded: str, trusted: str) -> str:
    """The nearest address that is not a trusted proxy; earlier entries of the header may be forged."""
    client = peer
    for word in reversed(forwarded.split(",")):
        address = ip_networks.read_address(_without_port(word.strip()))
        if address is None:
            break
        client = str(address)
        if not ip_networks.is_among(client, trusted):
            break
    return client


def _without_port(word: str) -> str:
    """An address without the port that some proxies append: `192.0.2.1:1234`, `[2001:db8::1]:1234`."""
    if word.startswith("["):
        return word.partition("]")[0].removeprefix("[")
    return word.partition(":")[0] if word.count(":") == 1 else word


def user() -> User | None:
    """The user that the proxy has signed in; None: no trusted proxy or no user header. Raises Forbidden for a disabled or unknown user."""
    settings = get_settings()
    name = request.headers.get(settings.proxy_user_header, "").strip() if settings.proxy_user_header else ""
    if not name or not ip_networks.is_among(request.environ.get(_PEER), settings.proxy_addresses):
        return None
    found = _find(name)
    if found is None and settings.proxy_new_users:
        found = _made(name, Role(settings.proxy_new_users))
    if found is None or found.disabled_at is not None:
        raise Forbidden(f"The proxy signed in {name!a:.160}, who is {'disabled' if found else 'not a user'} here. Ask an administrator.")
    return found


def _find(name: str) -> User | None:
    with database.read() as session:
        return session.execute(select(User).where(User.name == name)).scalar_one_or_none()


def _made(name: str, role: Role) -> User | None:
    if not users.NAME.fullmatch(name):
        return None
    with database.write() as session:
        # Two concurrent first requests create one user.
        if session.execute(select(User.id).where(User.name == name)).first() is None:
            session.add(User(name=name, password_hash="", role=role, created_at=clock.now()))
            audit_hooks.note(session, "user.create", name, by="proxy", role=role.value)
    return _find(name)
