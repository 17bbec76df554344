"""/actors: the list of actors, and the submission form of each."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from ...actor_schema.signature import Signature
from ...jobs.core.errors import JobsError, UnknownJob
from ...jobs.limits import overrides
from ...jobs.read import queries
from ...operations.fleet import override_requests
from ...operations.fleet.override_requests import Target
from ...operations.jobs import actor_catalogue
from ...operations.people.roles import Role
from ...sql import database
from ...sql.clock import now
from ..auth import allow, visitor
from ..forms import presets
from ..forms.job_form import Form
from ..http import uploads
from ..http.uploads import takes_files

blueprint = Blueprint("actors", __name__)


@blueprint.get("/actors")
@allow(Role.VIEWER)
def index() -> str:
    """The list of actors."""
    return render_template("actors/index.html", actors=[(actor, Signature.of(actor)) for actor in actor_catalogue.entries()])


@blueprint.get("/actors/<name>")
@allow(Role.VIEWER)
def form(name: str) -> str:
    """The form of one actor: empty, or prefilled from a preset or a job."""
    form = Form.of(name)
    with database.read() as session:
        if preset := request.args.get("preset"):
            form = form.filled(presets.find(session, int(preset) if preset.isdecimal() and len(preset) < 10 else 0, visitor()).values)
        elif like := request.args.get("like"):
            form = form.filled(_values(session, form, like))
    return _page(form)


@blueprint.post("/actors/<name>")
@allow(Role.SUBMITTER, action="job.submit")
@takes_files
def submit(name: str) -> Response | tuple[str, int]:
    """Submit the form: redirect to the job, or show the errors."""
    form = Form.of(name)
    sent = uploads.sent(form.fields)
    if (longer := form.with_row(sent)) is not None:
        return _page(longer), 200
    outcome = form.submit(sent, by=visitor())
    if isinstance(outcome, Form):
        return _page(outcome), 422
    flash("Job submitted." if outcome.created else "This form was already submitted: here is its job.", "success")
    return redirect(url_for("jobs.show", id=outcome.id), 303)


@blueprint.post("/actors/<name>/presets")
@allow(Role.SUBMITTER, action="preset.save")
@takes_files
def save_preset(name: str) -> Response | tuple[str, int]:
    """Save the submitted values as a preset."""
    form = Form.of(name)
    sent = uploads.sent(form.fields)
    try:
        with database.write() as session:
            shared = "preset-shared" in request.form
            saved = presets.save(session, name, request.form.get("preset-name", ""), form.values(sent), shared=shared, by=visitor())
    except JobsError as error:
        return _page(form.again(sent, str(error))), 422
    flash(f"Preset {saved.name} saved.", "success")
    return redirect(url_for("actors.form", name=name, preset=saved.id), 303)


@blueprint.post("/actors/<name>/presets/<int:number>/delete")
@allow(Role.SUBMITTER, action="preset.delete")
def delete_preset(name: str, number: int) -> Response:
    """Delete a preset."""
    try:
        with database.write() as session:
            removed = presets.remove(session, min(number, 2**31 - 1), visitor())
        flash(f"Preset {removed.name} deleted.", "success")
    except presets.UnknownPreset as error:
        flash(f"Failed: {error}", "error")
    return redirect(url_for("actors.form", name=name), 303)


def _values(session: Session, form: Form, id: str) -> dict[str, Any]:
    job = queries.find(session, id)
    if job is None or job.actor != form.actor.actor_name:
        raise UnknownJob(f"There is no job {id} of {form.actor.actor_name}.", field="like")
    return form.signature.by_name(job.args, job.kwargs)


def _page(form: Form) -> str:
    with database.read() as session:
        panel = override_requests.panel(session, Target("actor", form.actor.actor_name))
        saved = [(each, presets.may_remove(each, visitor())) for each in presets.listed(session, form.actor.actor_name, visitor())]
        held_back = overrides.load(session).pause(form.actor.actor_name, form.actor.queue_name, now())
    return render_template("actors/form.html", form=form, panel=panel, held_back=held_back, presets=saved)
