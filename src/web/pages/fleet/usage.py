"""/usage: CPU time, memory, waits and attempts of ended jobs, summed."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from ....jobs.core.errors import JobsError
from ....jobs.read.usage import By
from ....operations.fleet import usage_documents
from ....operations.fleet.usage_documents import Wanted
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...http import export_formats

blueprint = Blueprint("usage", __name__)

#: periods offered, in days
PERIODS = (1, 7, 30, 90, 365)


@blueprint.get("/usage")
@allow(Role.VIEWER)
def index() -> str | Response | tuple[str, int]:
    """The bill of a period, by actor, user, schedule or day."""
    problem, wanted = None, Wanted()
    try:
        wanted = usage_documents.read(request.args)
    except JobsError as error:
        if export_formats.requested_format():
            raise
        problem = error
    with database.read() as session:
        document = usage_documents.document(session, wanted)
    if export_formats.requested_format() == "csv":
        return export_formats.as_csv([dict(line) for line in document["usage"]], "usage")
    if export_formats.requested_format():
        return export_formats.as_json(document)
    page = render_template("usage/index.html", bill=document, wanted=wanted, groups=list(By), periods=PERIODS, problem=problem)
    return page if problem is None else (page, 422)
