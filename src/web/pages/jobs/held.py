"""/held: messages that need a decision, with the reason."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from ....jobs.read import queries
from ....operations.format.list_filters import read_filter
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow

blueprint = Blueprint("held", __name__)


@blueprint.get("/held")
@allow(Role.VIEWER)
def index() -> str:
    """A page of held jobs, newest first."""
    with database.read() as session:
        page = queries.held(session, after=read_filter(request.args).after)
    return render_template("held/index.html", page=page)
