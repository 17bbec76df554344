"""/api/v1/audit: the audit log."""

from __future__ import annotations

from flask import request
from typing_extensions import TypedDict

from ...audit import queries
from ...operations.audit import entries
from ...operations.audit.entries import AuditEntryDocument, AuditFilter
from ...operations.format.document_fields import Next
from ...operations.format.list_filters import read_filter
from ...operations.people.roles import Role
from ...sql import database
from ..auth import allow
from ..http.json_bodies import Answer, answer, read_limit
from .requests.routes import Routes, Tag


class AuditPage(TypedDict):
    """A page of the audit log, newest first."""

    lines: list[AuditEntryDocument]
    next: Next


@Routes(Tag.ADMIN).get("/audit", query=AuditFilter, errors=(422,))
@allow(Role.ADMIN)
def list_audit() -> Answer[AuditPage]:
    """List audit entries, newest first, in pages."""
    wanted = entries.read(request.args)
    with database.read() as session:
        page = queries.page(session, wanted, after=read_filter({"after": request.args.get("after", "")}).after, limit=read_limit())
    return answer({"lines": [entries.document(line) for line in page.lines], "next": None if page.next is None else str(page.next)})
