"""/jobs/ID/compare: a job and another run side by side; /jobs/ID/runs: the runs with its arguments."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ....jobs.core.errors import JobsError
from ....jobs.search import runs
from ....operations.format.list_filters import read_after
from ....operations.jobs.documents import comparison
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from .job_page import find

blueprint = Blueprint("comparison", __name__)


@blueprint.get("/jobs/<id>/runs")
@allow(Role.VIEWER)
def history(id: str) -> str:
    """The runs of the same actor with the same arguments, newest first."""
    job, after = find(id), read_after(request.args.get("after"))
    with database.read() as session:
        found = runs.same_arguments(session, job, after=after, limit=50)
    return render_template("jobs/runs.html", job=job, runs=found, after=after)


@blueprint.get("/jobs/<id>/compare")
@allow(Role.VIEWER)
def choose(id: str) -> str | Response | tuple[str, int]:
    """Lead to the comparison with the run asked for, or with the last one that succeeded."""
    job, wanted = find(id), request.args.get("with", "").strip()
    if wanted:
        try:
            return redirect(url_for("comparison.show", id=job.id, other=find(wanted).id))
        except JobsError as error:
            return render_template("jobs/compare.html", job=job, comparison=None, problem=str(error), wanted=wanted), 422
    with database.read() as session:
        other = runs.last_success(session, job)
    if other is None:
        return render_template("jobs/compare.html", job=job, comparison=None, problem="", wanted="")
    return redirect(url_for("comparison.show", id=job.id, other=other.id))


@blueprint.get("/jobs/<id>/compare/<other>")
@allow(Role.VIEWER)
def show(id: str, other: str) -> str:
    """Two runs side by side."""
    job, second = find(id), find(other)
    with database.read() as session:
        found = comparison.compare(session, job, second)
    return render_template("jobs/compare.html", job=job, comparison=found, problem="", wanted=second.id)
