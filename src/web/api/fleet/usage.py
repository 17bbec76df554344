"""/api/v1/usage: the bill."""

from __future__ import annotations

from flask import request

from ....operations.fleet.figures import usage_documents
from ....operations.fleet.figures.usage_documents import UsageDocument, UsageQuery
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...http import cookies
from ...http.json_bodies import Answer, answer
from ..requests.routes import Routes, Tag


@Routes(Tag.FLEET).get("/usage", query=UsageQuery, errors=(422,))
@allow(Role.VIEWER)
def list_usage() -> Answer[UsageDocument]:
    """CPU time, memory, waits and attempts of ended jobs, summed by actor, user, schedule or day (UTC)."""
    by, period = usage_documents.read_by(request.args), usage_documents.read_period(request.args, cookies.zone().key)
    with database.read() as session:
        return answer(usage_documents.document(session, by, period))
