"""/actors: the list of actors, and the submission form of each."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from ...actor_schema.signature import Signature
from ...jobs.batches import batches
from ...jobs.core.errors import JobsError, UnknownJob
from ...jobs.limits import overrides
from ...jobs.read import queries
from ...operations.fleet import override_requests
from ...operations.fleet.figures import actor_activity, history
from ...operations.fleet.override_requests import Target
from ...operations.jobs import actor_catalogue
from ...operations.jobs.actor_catalogue import Origin
from ...operations.people.roles import Role
from ...operations.schedules import schedule_documents
from ...schedules.rows import queries as schedules
from ...sql import database
from ...sql.clock import now
from ..auth import allow, visitor
from ..forms import presets, receipts
from ..forms.job_form import Form
from ..http.requests import uploads
from ..http.requests.time_range import current_range
from ..http.requests.uploads import takes_files
from ..render.extensions import ACTOR_TABS
from ..render.graphics import time_charts
from ..render.jobs import job_snippets

blueprint = Blueprint("actors", __name__)

#: jobs of the tab, and inputs beside the form
ROWS, INPUTS = 20, 5


@blueprint.get("/actors")
@allow(Role.VIEWER)
def index() -> str:
    """The list of actors by origin, with their activity over the range."""
    chosen = request.args.get("origin", "")
    if chosen and chosen not in list(Origin):
        raise NotFound(f"Unknown origin {chosen}. Choose one of {', '.join(Origin)}.")
    actors = {each: [actor for actor in actor_catalogue.entries() if actor_catalogue.origin(actor) is each] for each in Origin}
    shown = {each: those for each, those in actors.items() if those and chosen in ("", each)}
    with database.read() as session:
        activity = actor_activity.look(session, [actor.actor_name for those in shown.values() for actor in those], current_range())
        in_force = overrides.load(session)
        paused = {
            actor.actor_name for those in shown.values() for actor in those if in_force.pause(actor.actor_name, actor.queue_name, now())
        }
    return render_template(
        "actors/index.html", actors=actors, shown=shown, chosen=chosen, activity=activity, paused=paused, signature=Signature.of,
    )  # fmt: skip


@blueprint.get("/actors/<name>")
@allow(Role.VIEWER)
def form(name: str) -> str:
    """One actor: its form, empty or prefilled from a preset or a job, or another tab."""
    form, tab = Form.of(name), request.args.get("tab", "run")
    if tab not in ACTOR_TABS:
        raise NotFound(f"Unknown tab {tab}. Choose one of {', '.join(ACTOR_TABS)}.")
    with database.read() as session:
        if preset := request.args.get("preset"):
            form = form.filled(presets.find(session, int(preset) if preset.isdecimal() and len(preset) < 10 else 0, visitor()).values)
        elif like := request.args.get("like"):
            form = form.filled(_values(session, form, like))
    return _page(form, tab)


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
    receipts.notify(outcome, "Job submitted.")
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


def _page(form: Form, tab: str = "run") -> str:
    name, queue = form.actor.actor_name, form.actor.queue_name
    with database.read() as session:
        context = _tab(session, form, tab)
        held_back = overrides.load(session).pause(name, queue, now())
    return render_template("actors/form.html", form=form, held_back=held_back, tab=tab, **context)


def _tab(session: Session, form: Form, tab: str) -> dict[str, Any]:
    name = form.actor.actor_name
    match tab:
        case "jobs":
            passed = history.look(session, current_range(), actor=name)
            return {
                "charts": time_charts.every(passed, depths=False),
                "deploys": passed.deploys,
                "jobs": queries.page(session, actor=name, limit=ROWS).jobs,
            }
        case "schedules":
            of_actor = schedules.of_actor(session, name)
            return {
                "schedules": of_actor,
                "recent": schedules.recent(session, [each.id for each in of_actor]),
                "documents": schedule_documents,
            }
        case "batches":
            return {"batches": batches.recent(session, actor=name, limit=ROWS)}
        case "settings":
            return {"panel": override_requests.panel(session, Target("actor", name))}
        case "api":
            newest = queries.page(session, actor=name, limit=1).jobs
            return {"copied": job_snippets.copies(newest[0]) if newest else None}
    saved = [(each, presets.may_remove(each, visitor())) for each in presets.listed(session, name, visitor())]
    return {"presets": saved, "inputs": queries.page(session, actor=name, limit=INPUTS).jobs}
