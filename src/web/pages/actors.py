"""/actors: the catalogue, and each actor's form."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from src import database
from src.broker.signature import Signature
from src.database import now
from src.jobs import controls
from src.web import catalogue, controlling
from src.web.auth import allow, visitor
from src.web.controlling import Target
from src.web.forms import Form
from src.web.roles import Role

blueprint = Blueprint("actors", __name__)


@blueprint.get("/actors")
@allow(Role.VIEWER)
def index() -> str:
    """All actors."""
    return render_template("actors/index.html", actors=[(actor, Signature.of(actor)) for actor in catalogue.entries()])


@blueprint.get("/actors/<name>")
@allow(Role.VIEWER)
def form(name: str) -> str:
    """The form of one actor."""
    return _page(Form.of(name))


@blueprint.post("/actors/<name>")
@allow(Role.SUBMITTER)
def submit(name: str) -> Response | tuple[str, int]:
    """Submit the form: to the job's page, or back with what is wrong."""
    form = Form.of(name)
    if (longer := form.with_row(request.form)) is not None:
        return _page(longer), 200
    outcome = form.submit(request.form, by=visitor())
    if isinstance(outcome, Form):
        return _page(outcome), 422
    flash("The job is submitted." if outcome.created else "This form was submitted before: here is its job.", "success")
    return redirect(url_for("jobs.show", id=outcome.id), 303)


def _page(form: Form) -> str:
    with database.read() as session:
        panel = controlling.panel(session, Target("actor", form.actor.actor_name))
        held_back = controls.load(session).pause(form.actor.actor_name, form.actor.queue_name, now())
    return render_template("actors/form.html", form=form, panel=panel, held_back=held_back)
