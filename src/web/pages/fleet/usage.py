"""/usage: CPU time, memory, waits and attempts of ended jobs, summed."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ....jobs.core.errors import JobsError
from ....jobs.read.usage import By
from ....operations.fleet.figures import usage_documents
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...http.requests.time_range import current_range
from ...http.responses import export_formats

blueprint = Blueprint("usage", __name__)


@blueprint.get("/usage")
@allow(Role.VIEWER)
def index() -> ResponseReturnValue:
    """The bill of a range, by actor, user, schedule or day."""
    problem, by, period = None, By.ACTOR, current_range(usage_documents.DEFAULT)
    try:
        by = usage_documents.read_by(request.args)
        if "days" in request.args and not period.is_chosen:
            return redirect(_in_range(request.args["days"]))
    except JobsError as error:
        if export_formats.requested_format():
            raise
        problem = error
    with database.read() as session:
        document = usage_documents.document(session, by, period)
    if export_formats.requested_format() == "csv":
        return export_formats.as_csv([dict(line) for line in document["usage"]], "usage")
    if export_formats.requested_format():
        return export_formats.as_json(document)
    page = render_template("usage/index.html", bill=document, by=by, groups=list(By), problem=problem)
    return page if problem is None else (page, 422)


def _in_range(days: str) -> str:
    """The same address with a range in place of `days`, the parameter of earlier releases."""
    named = {"1": "24h", "7": "7d", "30": "30d"}.get(days)
    chosen = {"range": named} if named else usage_documents.read_period({"days": days}, "UTC").parameters
    kept: dict[str, Any] = {**request.args.to_dict(), "days": None, **chosen}
    return url_for("usage.index", **kept)
