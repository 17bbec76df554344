"""/admin/audit: the audit log."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from ....audit import Outcome, Via, queries
from ....jobs.core.errors import JobsError
from ....operations.audit import entries
from ....operations.format.list_filters import read_filter
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow

blueprint = Blueprint("audit", __name__)

ROWS = 100


@blueprint.get("/admin/audit")
@allow(Role.ADMIN)
def index() -> str | tuple[str, int]:
    """A page of entries, newest first."""
    asked = {name: value for name in entries.FIELDS if (value := request.args.get(name, "").strip())}
    try:
        wanted, problem = entries.read(asked), None
    except JobsError as error:
        wanted, problem = queries.Wanted(), str(error)
    with database.read() as session:
        page = queries.page(session, wanted, after=read_filter({"after": request.args.get("after", "")}).after, limit=entries.READ)
    rows, last = entries.rows(page.lines, limit=ROWS)
    shown = render_template(
        "admin/audit.html", rows=None if problem else rows, next=last or page.next, asked=asked, problem=problem, outcomes=Outcome, vias=Via,
    )  # fmt: skip
    return (shown, 422) if problem else shown
