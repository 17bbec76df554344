"""/account: password, sessions and tokens of the current user."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask import session as cookie
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from ... import audit
from ...jobs.core.errors import JobsError
from ...operations.people import sessions, tokens, users
from ...operations.people.caller import Forbidden
from ...operations.people.roles import Role
from ...operations.people.token_request import read
from ...operations.people.users import UserError
from ...sql import database
from ..auth import allow, audit_hooks, throttle, visitor
from ..auth.access import SESSION_KEY, renew

blueprint = Blueprint("account", __name__)


@blueprint.get("/account")
@allow(Role.VIEWER)
def show() -> str:
    """The account page."""
    return _page()


@blueprint.post("/account/password")
@allow(Role.VIEWER, action="user.password")
def change_password() -> Response | tuple[str, int]:
    """Change the password and end all sessions; this browser gets a new one, whose key no thief of the old one knows."""
    user_id, key, address = _my_id(), cookie.get(SESSION_KEY, ""), request.remote_addr or "unknown"
    old, new, again = (request.form.get(name, "")[: users.LONGEST + 1] for name in ("old", "new", "again"))
    try:
        if _needs_old(key):
            _check_old(old, address)
        with database.write() as session:
            has_session = sessions.current(session, key) is not None  # false for a user whom a proxy has signed in
            users.set_password(session, user_id, new, again)
            if has_session:
                renew(sessions.start(session, user_id, address=address, browser=request.headers.get("User-Agent", "unknown")))
    except UserError as error:
        return _page(problem=error), 422
    flash("Password changed. Your other sessions are signed out.", "success")
    return redirect(url_for("account.show"), 303)


@blueprint.post("/account/sessions/<int:id>/end")
@allow(Role.VIEWER, action="session.end")
def end_session(id: int) -> Response:
    """End another session of the user."""
    with database.write() as session:
        if not sessions.end_one(session, id, user_id=_my_id()):
            raise NotFound(f"There is no session {id}.")
    flash("Session signed out.", "success")
    return redirect(url_for("account.show"), 303)


@blueprint.post("/account/tokens")
@allow(Role.VIEWER, action="token.create")
def create_token() -> str | tuple[str, int]:
    """Create a token with at most the user's role, and show it once."""
    me = visitor()
    try:
        wanted = read(request.form)
        if wanted.role in list(Role) and not me.role.includes(Role(wanted.role)):
            raise ValueError(f"Your tokens cannot have a higher role than you: {me.role}.")
        token = wanted.owned(_my_id(), me.actors).create()
    except (ValueError, JobsError) as error:
        return _page(token_problem=str(error), typed=request.form), 422
    return _page(token=token)


@blueprint.post("/account/tokens/<int:id>/revoke")
@allow(Role.VIEWER, action="token.revoke")
def revoke_token(id: int) -> Response:
    """Revoke a token of the user."""
    with database.write() as session:
        if not tokens.revoke(session, id, user_id=_my_id()):
            raise NotFound(f"There is no token {id}.")
    flash("Token revoked.", "success")
    return redirect(url_for("account.show"), 303)


def _my_id() -> int:
    kind, _, id = visitor().key.partition(" ")
    if kind != "user":
        raise Forbidden("A token has no account page: sign in with a browser.")
    return int(id)


def _check_old(password: str, address: str) -> None:
    """Raise UserError unless this is the current password."""
    name = visitor().name
    change = audit.take()  # else the commit that counts this attempt would record a password change
    with database.write() as session:
        counted = throttle.begin(session, name, address)
    if counted is None:
        raise UserError("old", throttle.TOO_MANY)
    with database.read() as session:
        is_right = users.check_password(session, name, password) is not None
    with database.write() as session:
        if is_right:
            throttle.take_back(session, counted)
        else:
            audit_hooks.note(session, "user.password", name, refused="wrong current password")
    if not is_right:
        raise UserError("old", "This is not your current password.")
    if change is not None:
        audit.begin(change)


def _needs_old(key: str) -> bool:
    """True unless the session began with a one-time link, which proves the identity without a password."""
    with database.read() as session:
        mine = sessions.current(session, key)
    return mine is None or not mine.by_link


def _page(**shown: object) -> str:
    user_id, key = _my_id(), cookie.get(SESSION_KEY, "")
    with database.read() as session:
        mine, own = sessions.listed(session, user_id), tokens.listed(session, user_id)
        here, has_password = sessions.current(session, key), users.has_password(session, user_id)
    roles = [role for role in Role if visitor().role.includes(role)]
    return render_template(
        "account/show.html",
        sessions=mine,
        tokens=own,
        here=here,
        needs_old=_needs_old(key),
        has_password=has_password,
        roles=roles,
        **shown,
    )
