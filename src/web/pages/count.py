"""/count: a demo page that starts a job when opened.

The GET itself has no side effects, because browsers also prefetch pages, preview links and restore tabs.
The form submits itself once the page is shown; without JavaScript, a button does it.
"""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ...actors.tutorial import count as count_actor
from ...jobs.read import queries
from ...operations.people.roles import Role
from ...sql import database
from ..auth import allow, visitor
from ..forms.job_form import Form

blueprint = Blueprint("count", __name__)

ACTOR = count_actor.actor_name


@blueprint.get("/count")
@allow(Role.VIEWER)
def show() -> str:
    """The page that starts counting."""
    return render_template("count/show.html", form=Form.of(ACTOR))


@blueprint.post("/count")
@allow(Role.SUBMITTER, action="job.submit")
def start() -> str | Response | tuple[str, int]:
    """Submit the counting job; the response does not wait for it."""
    outcome = Form.of(ACTOR).submit(request.form, by=visitor())
    if isinstance(outcome, Form):
        return render_template("count/show.html", form=outcome), 422
    if "HX-Request" not in request.headers:
        return redirect(url_for("jobs.show", id=outcome.id), 303)
    with database.read() as session:
        return render_template("count/_started.html", job=queries.find(session, outcome.id))
