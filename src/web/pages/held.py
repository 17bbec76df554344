"""/held: messages that need a person, with the reason."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from src import database
from src.jobs import queries
from src.web.auth import allow
from src.web.filters import read_filter
from src.web.roles import Role

blueprint = Blueprint("held", __name__)


@blueprint.get("/held")
@allow(Role.VIEWER)
def index() -> str:
    """A page of held jobs, newest first."""
    with database.read() as session:
        page = queries.held(session, after=read_filter(request.args).after)
    return render_template("held/index.html", page=page)
