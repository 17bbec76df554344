"""/workflows: the list, and the live page of a workflow."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask import Response as FlaskResponse
from flask_wtf.csrf import generate_csrf
from werkzeug.wrappers import Response

from ...formats.quantities import counted
from ...jobs.control import workflow_reruns, workflows
from ...jobs.control.workflows import Found
from ...jobs.core.errors import JobsError, NotAllowed, UnknownJob
from ...operations.format.list_filters import read_filter
from ...operations.people.roles import Role
from ...operations.workflows.critical_path import critical_path
from ...sql import database
from ...sql.clock import now
from ..auth import allow, visitor
from ..live.stream_room import TooManyStreams
from ..live.workflow_stream import stream
from ..render.graphics.workflow_gantt import draw_gantt
from ..render.graphics.workflow_graph import draw

blueprint = Blueprint("workflows", __name__)
#: drawings of a workflow
VIEWS = ("graph", "gantt")


@blueprint.get("/workflows")
@allow(Role.VIEWER)
def index() -> str:
    """A page of workflows, newest first."""
    with database.read() as session:
        page = workflows.page(session, after=read_filter(request.args).after)
    return render_template("workflows/index.html", page=page)


@blueprint.get("/workflows/<id>")
@allow(Role.VIEWER)
def show(id: str) -> str:
    """One workflow with its steps and graph."""
    return _render("workflows/show.html", _find(id))


@blueprint.get("/workflows/<id>/live")
@allow(Role.VIEWER)
def live(id: str) -> str:
    """The live part of a workflow page, for polling browsers."""
    return _render("workflows/_event.html", _find(id))


@blueprint.get("/workflows/<id>/events")
@allow(Role.VIEWER)
def events(id: str) -> FlaskResponse | tuple[str, int]:
    """The live part of a workflow page as a stream."""
    found = _find(id)
    generate_csrf()  # set the CSRF cookie now: headers cannot be sent once the stream has begun
    try:
        return stream(found.id, lambda found: _render("workflows/_event.html", found))
    except TooManyStreams:
        # htmx inserts this polling element instead of the stream.
        return render_template("workflows/_poll.html", workflow=found, view=request.args.get("view")), 503


@blueprint.post("/workflows/<id>/re-run")
@allow(Role.OPERATOR, action="workflow.re-run")
def rerun(id: str) -> Response:
    """Run a step and all that follow it again, as a new workflow."""
    try:
        with database.write() as session:
            receipt = workflow_reruns.rerun(session, id, request.form.get("step", ""), by=visitor().name)
    except (NotAllowed, JobsError) as error:
        flash(f"Not run again: {str(error).rstrip('.')}.", "error")
        return redirect(url_for("workflows.show", id=id), 303)
    flash("The step and those that follow it run again, as this new workflow.", "success")
    return redirect(url_for("workflows.show", id=receipt.id), 303)


@blueprint.post("/workflows/<id>/<any(cancel, retry):action>")
@allow(Role.OPERATOR, action="workflow.{action}")
def act(id: str, action: str) -> Response:
    """Cancel the unfinished steps, or retry the failed ones."""
    try:
        with database.write() as session:
            touched = workflows.cancel(session, id) if action == "cancel" else workflows.retry(session, id)
        steps = counted(touched, "step")
        flash(f"{steps} cancelled or stopping." if action == "cancel" else f"{steps} queued or waiting again.", "success")
    except NotAllowed as error:
        flash(f"Failed: {error}.", "error")
    return redirect(url_for("workflows.show", id=id), 303)


def _find(id: str) -> Found:
    with database.read() as session:
        found = workflows.find(session, id)
    if found is None:
        raise UnknownJob(f"There is no workflow {id}.", field="id")
    return found


def _render(template: str, found: Found) -> str:
    view = request.args.get("view") if request.args.get("view") in VIEWS else VIEWS[0]
    present, path = now(), critical_path(found, now())
    drawing = {"gantt": draw_gantt(found, present)} if view == "gantt" else {"graph": draw(found, path)}
    return render_template(template, workflow=found, view=view, path=path, **drawing)
