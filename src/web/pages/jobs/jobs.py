"""/jobs: the list, and the actions on a job. Its page: `job_page.py`."""

from __future__ import annotations

from flask import Response as FlaskResponse
from flask import flash, redirect, render_template, request, url_for
from flask import session as cookie
from werkzeug.wrappers import Response

from ....jobs.control import edits
from ....jobs.core.errors import JobsError, NotAllowed
from ....jobs.search import QueryError
from ....jobs.search.grammar import LONGEST
from ....jobs.submit import reruns
from ....operations.jobs.requests import job_actions
from ....operations.people.caller import Forbidden
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor
from ...forms import receipts
from ...forms.edit_form import EditForm
from ...forms.rerun_form import RerunForm
from ...http.requests import time_range, uploads
from ...http.requests.uploads import takes_files
from ...http.responses import export_formats
from ...render.jobs import job_results, job_snippets
from . import columns, saved_views
from .job_list import Columns, Listing
from .job_page import blueprint, find
from .query_completion import completions

__all__ = ["blueprint"]

#: row densities of the list
DENSITIES = ("normal", "compact")
_DONE = {
    "retry": "Job queued again.",
    "cancel": "Job cancelled.",
    "run-now": "Job queued.",
    "stack": "Stack trace requested: it appears in the log below within seconds, with the level stack.",
    "release": "Job released.",
    "discard": "Job discarded.",
}
_RERUN = "Job re-run as this new job."
_CANCELLING = "Cancelling… waiting for the worker to stop."


@blueprint.get("/jobs")
@allow(Role.VIEWER)
def index() -> str | FlaskResponse | tuple[str, int]:
    """A page of jobs, newest first; as JSON or CSV on request."""
    if request.args.get("density") in DENSITIES:
        cookie["density"] = request.args["density"]
    try:
        listing = Listing.read(time_range.narrowed(request.args), visitor())
    except QueryError as error:
        if export_formats.requested_format():
            raise
        return render_template("jobs/index.html", listing=Listing.wrong(error, visitor()), density=_density()), 422
    if export_formats.requested_format() == "json":
        return export_formats.as_json(listing.document())
    if export_formats.requested_format() == "csv":
        return export_formats.as_csv(listing.rows(), "jobs")
    shown = Columns(columns.chosen(request.args.getlist("columns"), cookie, listing.jobs))
    return render_template("jobs/index.html", listing=listing, columns=shown, density=_density())


@blueprint.get("/jobs/suggest")
@allow(Role.VIEWER)
def suggest() -> str:
    """Completions of the query being typed."""
    with database.read() as session:
        return render_template("jobs/_completions.html", completions=completions(session, request.args.get("q", "")[:LONGEST]))


@blueprint.post("/jobs/views")
@allow(Role.VIEWER, action="view.save")
def save_view() -> Response:
    """Save a query as a view."""
    try:
        with database.write() as session:
            name, text = request.form.get("name", ""), request.form.get("q", "")
            saved_views.save(session, visitor(), name=name, query=text, is_shared=request.form.get("shared") == "1")
        flash(f"View {name.strip()} saved.", "success")
    except (JobsError, Forbidden) as error:
        flash(f"Not saved: {error}", "error")
    return redirect(url_for("jobs.index", q=request.form.get("q") or None), 303)


@blueprint.post("/jobs/views/<int:number>/delete")
@allow(Role.VIEWER, action="view.delete")
def delete_view(number: int) -> Response:
    """Delete a saved view."""
    with database.write() as session:
        saved_views.delete(session, visitor(), number)
    flash("View deleted.", "success")
    return redirect(url_for("jobs.index"), 303)


@blueprint.get("/jobs/<id>/result")
@allow(Role.VIEWER)
def result(id: str) -> FlaskResponse:
    """Download the result as JSON."""
    response = job_results.send(find(id))
    response.headers["Content-Disposition"] = "attachment; filename=result.json"
    return response


@blueprint.get("/jobs/<id>/submission")
@allow(Role.VIEWER)
def submission(id: str) -> FlaskResponse:
    """Download the job as the body that submits it again."""
    response = FlaskResponse(job_snippets.submission(find(id)), mimetype="application/json")
    response.headers["Content-Disposition"] = "attachment; filename=job.json"
    return response


@blueprint.get("/jobs/<id>/files/<file>")
@allow(Role.SUBMITTER)
def file(id: str, file: str) -> FlaskResponse:
    """Download an input file of the job."""
    return uploads.send(find(id), file)


@blueprint.get("/jobs/<id>/edit")
@allow(Role.OPERATOR)
def edit(id: str) -> str | Response:
    """The edit form of a waiting job."""
    form = _edit_form(id)
    if form.job.state not in edits.EDITABLE:
        return _not_done(id, f"the job is {form.job.state}: only a waiting job can be edited")
    return render_template("jobs/edit.html", form=form)


@blueprint.post("/jobs/<id>/edit")
@allow(Role.OPERATOR, action="job.edit")
@takes_files
def save(id: str) -> Response | tuple[str, int]:
    """Save the edit: redirect to the job, or show the errors."""
    form = _edit_form(id)
    sent = uploads.sent(form.arguments)
    if (longer := form.with_row(sent)) is not None:
        return render_template("jobs/edit.html", form=longer), 200
    try:
        outcome = form.save(sent)
    except NotAllowed as error:
        return _not_done(id, str(error))
    except JobsError as error:
        if error.field != "args":
            raise
        return _not_done(id, str(error))
    if isinstance(outcome, EditForm):
        return render_template("jobs/edit.html", form=outcome), 422
    flash("Job changed.", "success")
    return redirect(url_for("jobs.show", id=id), 303)


@blueprint.post("/jobs/<id>/re-run")
@allow(Role.OPERATOR, action="job.re-run")
def rerun(id: str) -> Response:
    """Submit a new job with the same arguments."""
    try:
        with database.write() as session:
            receipt = reruns.again(session, find(id).id, by=visitor().name)
    except JobsError as error:
        return _not_done(id, str(error).rstrip("."))
    receipts.notify(receipt, _RERUN)
    return redirect(url_for("jobs.show", id=receipt.id), 303)


@blueprint.get("/jobs/<id>/re-run")
@allow(Role.OPERATOR)
def change_and_rerun(id: str) -> str:
    """The re-run form, prefilled with this job's arguments."""
    return render_template("jobs/rerun.html", form=RerunForm.of(find(id)))


@blueprint.post("/jobs/<id>/re-run-with-edits")
@allow(Role.OPERATOR, action="job.re-run")
@takes_files
def rerun_with_edits(id: str) -> Response | str | tuple[str, int]:
    """Submit the edited re-run: redirect to the new job, or show the errors."""
    form = RerunForm.of(find(id))
    sent = uploads.sent(form.fields)
    longer = form.with_row(sent)
    if longer is not None:
        return render_template("jobs/rerun.html", form=longer)
    outcome = form.submit(sent, by=visitor())
    if isinstance(outcome, RerunForm):
        return render_template("jobs/rerun.html", form=outcome), 422
    receipts.notify(outcome, _RERUN)
    return redirect(url_for("jobs.show", id=outcome.id), 303)


@blueprint.post("/jobs/<id>/<any(retry, cancel, 'run-now', release, discard, stack):action>")
@allow(Role.OPERATOR, action="job.{action}")
def act(id: str, action: str) -> Response:
    """Retry, cancel, run now, release or discard a job, or request its stack trace."""
    try:
        with database.write() as session:
            job = job_actions.act(session, id, action)
        flash(_CANCELLING if job.is_cancelling and action == "cancel" else _DONE[action], "success")
    except NotAllowed as error:
        flash(f"Failed: {error}.", "error")
    if request.form.get("from") == "held":
        return redirect(url_for("held.index"), 303)
    return redirect(url_for("jobs.show", id=id, _anchor="log" if action == "stack" else None), 303)


def _edit_form(id: str) -> EditForm:
    job = find(id)
    with database.read() as session:
        return EditForm.of(job, takes_results=edits.takes_results(session, job.id))


def _not_done(id: str, why: str) -> Response:
    flash(f"Failed: {why}.", "error")
    return redirect(url_for("jobs.show", id=id), 303)


def _density() -> str:
    density = cookie.get("density")
    return density if density in DENSITIES else DENSITIES[0]
