"""/admin/users: users with their role and actors."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from ....operations.people import permissions, users
from ....operations.people.models import User
from ....operations.people.roles import Patterns, Role
from ....operations.people.users import UserError
from ....sql import database
from ...auth import allow, visitor
from ...auth.pages import link_for

blueprint = Blueprint("people", __name__)


@blueprint.get("/admin/users")
@allow(Role.ADMIN)
def index() -> str:
    """List the users, with the form for a new one."""
    return _page()


@blueprint.post("/admin/users")
@allow(Role.ADMIN, action="user.create")
def create() -> str | tuple[str, int]:
    """Create a user and show the one-time sign-in link once."""
    name = request.form.get("name", "").strip()
    try:
        with database.write() as session:
            key = users.invite(session, name, request.form.get("role", ""), _actors())
    except UserError as error:
        return _page(problem=error, typed=request.form), 422
    return _page(invited=name, link=_link(key))


@blueprint.post("/admin/users/<int:id>/<any(rights, disable, enable, 'new-link'):verb>")
@allow(Role.ADMIN, action="user.{verb}")
def change(id: int, verb: str) -> Response | str | tuple[str, int]:
    """Change a user's role and actors, disable or enable the user, or create a password link."""
    try:
        with database.write() as session:
            if verb == "new-link":
                user, key = users.reset(session, id)
                return _page(invited=user.name, link=_link(key))
            user = _change(session, id, verb)
    except UserError as error:
        return _page(problem=error), 422
    flash(
        {
            "rights": f"Role and actors of {user.name} changed.",
            "disable": f"{user.name} disabled and signed out.",
            "enable": f"{user.name} enabled.",
        }[verb],
        "success",
    )
    return redirect(url_for("people.index"), 303)


def _change(session: Session, id: int, verb: str) -> User:
    if verb == "enable":
        return users.enable(session, id)
    if visitor().key == f"user {id}":
        raise UserError("id", "You cannot disable yourself or change your own role: ask another administrator.")
    return users.disable(session, id) if verb == "disable" else users.change_rights(session, id, request.form.get("role", ""), _actors())


def _actors() -> Patterns | None:
    try:
        return permissions.read_patterns(request.form.get("actors", ""))
    except ValueError as error:
        raise UserError("actors", str(error)) from None


def _link(key: str) -> str:
    return link_for(key)


def _page(problem: UserError | None = None, **shown: object) -> str:
    with database.read() as session:
        listed = users.listed(session)
    return render_template("admin/users.html", users=listed, problem=problem, me=visitor().key, **shown)
