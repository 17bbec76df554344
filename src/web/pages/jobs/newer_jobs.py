"""/jobs/newer: what has changed since a page of the jobs list was loaded."""

from __future__ import annotations

from flask import Blueprint, render_template, request, url_for

from ....operations.format.list_filters import query_text
from ....operations.people.roles import Role
from ...auth import allow
from . import job_list

blueprint = Blueprint("newer_jobs", __name__)


@blueprint.get("/jobs/newer")
@allow(Role.VIEWER)
def show() -> str:
    """The number of newer matching jobs, and the present states of the shown rows."""
    count, changed = job_list.newer(request.args)
    address = url_for("jobs.index", q=query_text(request.args) or None)
    return render_template("jobs/_newer.html", count=count, changed=changed, address=address)
