"""/jobs/…/tabs and /actors/…/tabs: a team's own pages beside a job or an actor."""

from __future__ import annotations

from flask import Blueprint, render_template
from werkzeug.exceptions import NotFound

from ...actor_schema.signature import Signature
from ...jobs.core.errors import UnknownJob
from ...jobs.read import queries
from ...operations.jobs import actor_catalogue
from ...operations.people.roles import Role
from ...sql import database
from ..auth import allow
from ..render import extensions

blueprint = Blueprint("tabs", __name__)


@blueprint.get("/jobs/<id>/tabs/<name>")
@allow(Role.VIEWER)
def of_job(id: str, name: str) -> str:
    """A tab of a job."""
    with database.read() as session:
        job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    tab = extensions.tab("job", job.actor, name)
    if tab is None:
        raise NotFound(f"Jobs of {job.actor} have no tab {name}.")
    return render_template(
        "extensions/tab.html", tab=tab, job=job, actor=job.actor, outcome=extensions.call(tab.function, extensions.view(job))
    )


@blueprint.get("/actors/<name>/tabs/<tab>")
@allow(Role.VIEWER)
def of_actor(name: str, tab: str) -> str:
    """A tab of an actor."""
    declared = actor_catalogue.find(name)
    actor = declared.actor_name
    found = extensions.tab("actor", actor, tab)
    if found is None:
        raise NotFound(f"{actor} has no tab {tab}.")
    title, outcome = Signature.of(declared).title, extensions.call(found.function, actor)
    return render_template("extensions/tab.html", tab=found, job=None, actor=actor, title=title, outcome=outcome)
