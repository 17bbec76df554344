"""/workflows: the list, and the live page of a workflow."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask import Response as FlaskResponse
from flask_wtf.csrf import generate_csrf
from werkzeug.wrappers import Response

from ...jobs.control import workflows
from ...jobs.control.workflows import Found
from ...jobs.core.errors import NotAllowed, UnknownJob
from ...operations.format.list_filters import read_filter
from ...operations.people.roles import Role
from ...sql import database
from ..auth import allow
from ..live.job_watcher import TooManyStreams
from ..live.workflow_stream import stream
from ..render.workflow_graph import draw

blueprint = Blueprint("workflows", __name__)


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
        return render_template("workflows/_poll.html", workflow=found), 503


@blueprint.post("/workflows/<id>/<any(cancel, retry):action>")
@allow(Role.OPERATOR, action="workflow.{action}")
def act(id: str, action: str) -> Response:
    """Cancel the unfinished steps, or retry the failed ones."""
    try:
        with database.write() as session:
            touched = workflows.cancel(session, id) if action == "cancel" else workflows.retry(session, id)
        steps = f"{touched} step{'' if touched == 1 else 's'}"
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
    return render_template(template, workflow=found, graph=draw(found))
