"""Forecasts: the part of a job's page that is read again every few seconds, and "what if" of a queue."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from ....jobs.core.errors import JobsError, UnknownJob
from ....jobs.forecasts.backlogs import Change
from ....jobs.read import queries
from ....operations.fleet import what_if_request
from ....operations.jobs import actor_catalogue
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow

blueprint = Blueprint("forecasts", __name__)


@blueprint.get("/jobs/<id>/forecast")
@allow(Role.VIEWER)
def job(id: str) -> str:
    """The forecast of a job."""
    with database.read() as session:
        found = queries.find(session, id)
    if found is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return render_template("jobs/_forecast.html", job=found)


@blueprint.get("/queues/<name>/forecast")
@allow(Role.VIEWER)
def queue(name: str) -> str | tuple[str, int]:
    """When the backlog of a queue is drained, now and after a change."""
    problem, change = None, Change(request.args.get("actor") or None)
    try:
        change = what_if_request.read_change(request.args)
    except JobsError as error:
        problem = error
    try:
        with database.read() as session:
            found = what_if_request.forecast(session, name, change)
    except JobsError as error:
        raise NotFound(str(error)) from None
    page = render_template("queues/forecast.html", name=name, change=change, found=found, asked=request.args, problem=problem)
    return page if problem is None else (page, 422)


@blueprint.get("/actors/<name>/forecast")
@allow(Role.VIEWER)
def actor(name: str) -> Response:
    """The same for the jobs of an actor in its queue."""
    return redirect(url_for("forecasts.queue", name=actor_catalogue.find(name).queue_name, actor=name))
