"""/api/v1/audit: who did what, and who was refused."""

from __future__ import annotations

from flask import Response, request

from src import database
from src.audit import queries
from src.web import audit_wishes
from src.web.api.blueprint import blueprint
from src.web.api.bodies import answer, read_limit
from src.web.auth import allow
from src.web.filters import read_filter
from src.web.roles import Role


@blueprint.get("/audit")
@allow(Role.ADMIN)
def list_audit() -> Response:
    """Lines of the audit, newest first, a page at a time."""
    wanted = audit_wishes.read(request.args)
    with database.read() as session:
        page = queries.page(session, wanted, after=read_filter({"after": request.args.get("after", "")}).after, limit=read_limit())
    return answer({"lines": [audit_wishes.document(line) for line in page.lines], "next": None if page.next is None else str(page.next)})
