"""/admin/sessions: active sessions of all users."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from ....operations.people import sessions
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow

blueprint = Blueprint("sign_ins", __name__)


@blueprint.get("/admin/sessions")
@allow(Role.ADMIN)
def index() -> str:
    """List the sessions, newest first."""
    with database.read() as session:
        return render_template("admin/sessions.html", sessions=sessions.listed(session))


@blueprint.post("/admin/sessions/<int:id>/end")
@allow(Role.ADMIN, action="session.end")
def end(id: int) -> Response:
    """End a session."""
    with database.write() as session:
        if not sessions.end_one(session, id):
            raise NotFound(f"There is no session {id}.")
    flash("Session signed out.", "success")
    return redirect(url_for("sign_ins.index"), 303)
