"""/admin/audit: who did what, and who was refused."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from src import database
from src.audit import Outcome, Via, queries
from src.jobs.errors import JobsError
from src.web import audit_wishes
from src.web.auth import allow
from src.web.filters import read_filter
from src.web.roles import Role

blueprint = Blueprint("audit", __name__)

ROWS = 100


@blueprint.get("/admin/audit")
@allow(Role.ADMIN)
def index() -> str | tuple[str, int]:
    """A page of lines, newest first."""
    asked = {name: value for name in audit_wishes.FIELDS if (value := request.args.get(name, "").strip())}
    try:
        wanted, problem = audit_wishes.read(asked), None
    except JobsError as error:
        wanted, problem = queries.Wanted(), str(error)
    with database.read() as session:
        page = queries.page(session, wanted, after=read_filter({"after": request.args.get("after", "")}).after, limit=ROWS)
    shown = render_template("admin/audit.html", page=None if problem else page, asked=asked, problem=problem, outcomes=Outcome, vias=Via)
    return (shown, 422) if problem else shown
