"""Pages to sign in and out."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask import session as cookie
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from ... import COMMAND
from ...operations.people import sessions, users
from ...operations.people.roles import Role
from ...settings import get_settings
from ...sql import database
from . import audit_hooks, throttle
from .access import SESSION_KEY, allow, open_to_all, renew

blueprint = Blueprint("auth", __name__)

SIGN_IN = "session.sign-in"


@blueprint.get("/sign-in")
@open_to_all
def sign_in() -> str:
    """The sign-in form."""
    return render_template("auth/sign_in.html", next=own_path(request.args.get("next")))


@blueprint.post("/sign-in")
@open_to_all
def check_sign_in() -> Response | tuple[str, int]:
    """Sign in with name and password."""
    name, password = request.form.get("name", "").strip()[:150], request.form.get("password", "")[:1024]
    next = own_path(request.form.get("next"))
    with database.write() as session:
        counted = throttle.begin(session, name, _address())
        if counted is None:
            audit_hooks.note_knocking(session, SIGN_IN, name, refused="too many attempts")
            return _refuse(throttle.TOO_MANY, name, next, 429)
    with database.read() as session:
        user = users.check_password(session, name, password)
    with database.write() as session:
        if user is None:
            audit_hooks.note(session, SIGN_IN, name, refused="wrong name or password")
            return _refuse("Wrong name or password.", name, next, 422)
        throttle.take_back(session, counted)
        sessions.end(session, cookie.get(SESSION_KEY, ""))
        audit_hooks.note(session, SIGN_IN, user.name, by="password")
        return _welcome(sessions.start(session, user.id, address=_address(), browser=_browser()), next)


@blueprint.get("/sign-in/link")
@open_to_all
def follow_link() -> Response:
    """Sign in with a one-time link."""
    if request.method == "HEAD":
        return Response()  # a link checker must not use up the one-time link
    with database.write() as session:
        user_id = sessions.redeem(session, request.args.get("t", ""))
        if user_id is None:
            audit_hooks.note_knocking(session, SIGN_IN, audit_hooks.ANONYMOUS, refused="the one-time link was used or has expired")
        else:
            audit_hooks.note(session, SIGN_IN, users.name_of(session, user_id), by="link")
            sessions.end(session, cookie.get(SESSION_KEY, ""))
            key = sessions.start(session, user_id, address=_address(), browser=_browser(), by_link=True)
            has_password = users.has_password(session, user_id)
            return _welcome(key, url_for("overview.show" if has_password else "account.show"))
    if wait_s := throttle.refuse_key(_address()):
        raise TooManyRequests("Too many invalid links from this address.", retry_after=wait_s)
    flash(f"This link has been used or has expired. Sign in with your password, or print a new link with {COMMAND} sign-in.", "error")
    return redirect(url_for("auth.sign_in"), 303)


@blueprint.post("/sign-out")
@allow(Role.VIEWER, action="session.sign-out")
def sign_out() -> Response:
    """Sign this browser out."""
    with database.write() as session:
        sessions.end(session, cookie.get(SESSION_KEY, ""))
    cookie.clear()
    return redirect(url_for("auth.sign_in"), 303)


def link_for(key: str) -> str:
    """Build a one-time sign-in URL below CALLBOARD_PUBLIC_URL.

    Without that setting, use the request's own host only if it is local: a forged Host header would leak the key.
    """
    settings, host = get_settings(), urlsplit(request.host_url).hostname
    is_here = host in ("localhost", "127.0.0.1", "::1", settings.host, socket.gethostname())
    base = request.url_root.rstrip("/") if is_here and not settings.public_url else settings.effective_public_url
    return base + url_for("auth.follow_link", t=key).removeprefix(request.script_root)  # each base ends with the prefix, if there is one


def _welcome(key: str, next: str) -> Response:
    renew(key)
    return redirect(next, 303)


def _refuse(problem: str, name: str, next: str, status: int) -> tuple[str, int]:
    return render_template("auth/sign_in.html", problem=problem, name=name, next=next), status


def own_path(path: str | None) -> str:
    """The path if it is local, else the overview (prevents open redirects)."""
    if path and path.startswith("/") and not path.startswith(("//", "/\\")) and not any(ord(c) < 32 for c in path):
        return path
    return url_for("overview.show")


def _address() -> str:
    return request.remote_addr or "unknown"


def _browser() -> str:
    return request.headers.get("User-Agent", "unknown")
