"""The top bar: find a job, an actor or a page, suggestions of the command palette, and display preferences of the browser."""

from __future__ import annotations

import re

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from ...configuration import setting_checks
from ...jobs.core.errors import AmbiguousId
from ...jobs.read import queries
from ...operations.jobs import actor_catalogue
from ...operations.jobs.rows import Job
from ...operations.people.roles import Role
from ...schedules.rows import queries as schedule_queries
from ...sql import database
from ..auth import allow
from ..auth.pages import own_path
from ..http import cookies
from ..http.cookies import Theme

blueprint = Blueprint("bar", __name__)

#: suggestions of each kind
MOST = 6
#: characters of a search text
LONGEST = 2_000
#: an id, its beginning, or the short form that pages show: 0198c1f2…9e01
_ID = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}(?:(?:…|\.\.\.)[0-9a-f-]{1,12})?", re.IGNORECASE)


@blueprint.get("/find")
@allow(Role.VIEWER)
def find() -> Response:
    """Lead to the job of this id or the actor or queue of this name; else search the jobs."""
    text = request.args.get("q", "").strip()[:LONGEST]
    with database.read() as session:
        job = _job(session, text)
    if job is not None:
        return redirect(url_for("jobs.show", id=job.id))
    if text in {actor.actor_name for actor in actor_catalogue.entries()}:
        return redirect(url_for("actors.form", name=text))
    return redirect(url_for("jobs.index", q=text or None))


@blueprint.get("/find/suggestions")
@allow(Role.VIEWER)
def suggest() -> str:
    """Suggestions of the palette: jobs, actors, queues and schedules whose name contains the text."""
    text = request.args.get("q", "").strip()[:LONGEST]
    with database.read() as session:
        job = _job(session, text)
        schedules = [each for each in schedule_queries.every(session) if text.lower() in each.name.lower()]
    return render_template(
        "bar/suggestions.html", text=text, job=job, schedules=schedules[:MOST],
        actors=[each.actor_name for each in actor_catalogue.entries() if text.lower() in each.actor_name.lower()][:MOST],
        queues=[each for each in actor_catalogue.queues() if text.lower() in each.lower()][:MOST],
    )  # fmt: skip


@blueprint.post("/preferences")
@allow(Role.VIEWER, action="preferences.change")
def prefer() -> Response:
    """Keep the colour scheme and the time zone in cookies of this browser."""
    response = redirect(own_path(request.form.get("back")), 303)
    theme, zone = request.form.get("theme"), request.form.get("zone")
    if theme in list(Theme):
        cookies.prefer(response, cookies.THEME, "" if theme == Theme.AUTO else theme)
    if zone is not None:
        try:
            cookies.prefer(response, cookies.ZONE, setting_checks.zone(zone.strip()) if zone.strip() else "")
        except ValueError as error:
            flash(f"Time zone not changed: {zone.strip()!r:.60} {error}.", "error")
    return response


def _job(session: Session, text: str) -> Job | None:
    """The job of this id or beginning of an id; None if there is none, or several."""
    if not _ID.fullmatch(text):
        return None
    try:
        return queries.find(session, text)
    except AmbiguousId:
        return None
