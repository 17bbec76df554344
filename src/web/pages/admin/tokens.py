"""/admin/tokens: API tokens."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from ....jobs.core.errors import JobsError
from ....operations.people import tokens, users
from ....operations.people.roles import Role
from ....operations.people.token_request import read
from ....sql import database
from ...auth import allow

blueprint = Blueprint("tokens", __name__)


@blueprint.get("/admin/tokens")
@allow(Role.ADMIN)
def index() -> str:
    """List the tokens, with the form for a new one."""
    return _page()


@blueprint.post("/admin/tokens")
@allow(Role.ADMIN, action="token.create")
def create() -> str | tuple[str, int]:
    """Create a token and show it once."""
    try:
        token = read(request.form).create()
    except (ValueError, JobsError) as error:
        return _page(problem=str(error), typed=request.form), 422
    return _page(token=token)


@blueprint.post("/admin/tokens/<int:id>/revoke")
@allow(Role.ADMIN, action="token.revoke")
def revoke(id: int) -> Response:
    """Revoke a token."""
    with database.write() as session:
        if not tokens.revoke(session, id):
            raise NotFound(f"There is no token {id}.")
    flash("Token revoked.", "success")
    return redirect(url_for("tokens.index"), 303)


def _page(**shown: object) -> str:
    with database.read() as session:
        listed, owners = tokens.listed(session), {user.id: user.name for user in users.listed(session)}
    return render_template("admin/tokens.html", tokens=listed, owners=owners, **shown)
