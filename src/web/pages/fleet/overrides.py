"""/controls/…: actions to pause, resume, limit and reset; each redirects back to its page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from ....formats.quantities import counted
from ....jobs.core.errors import JobsError
from ....jobs.limits import breakers
from ....jobs.limits.overrides import CONCURRENCY, RATE_LIMIT
from ....operations.fleet import override_requests
from ....operations.fleet.override_requests import Target
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor

blueprint = Blueprint("controls", __name__)


@blueprint.post("/controls/<target>/pause")
@allow(Role.OPERATOR, action="target.pause")
def pause(target: str) -> Response:
    """Pause a target for a duration or until it is resumed."""
    chosen, how_long = override_requests.read_target(target), request.form.get("for", "").strip()
    try:
        with database.write() as session:
            reason = request.form.get("reason", "").strip()[:500]
            override_requests.pause(session, chosen, how_long=how_long or None, reason=reason, by=visitor())
        flash(f"{_named(chosen)} paused: running jobs finish, new ones wait.", "success")
    except JobsError as error:
        flash(f"Failed: {error}", "error")
    return _back(chosen)


@blueprint.post("/controls/<target>/resume")
@allow(Role.OPERATOR, action="target.resume")
def resume(target: str) -> Response:
    """End a pause."""
    chosen = override_requests.read_target(target)
    with database.write() as session:
        waited = override_requests.resume(session, chosen)
    flash(f"{_named(chosen)} resumed; {counted(waited, 'job was', 'jobs were')} waiting.", "success")
    return _back(chosen)


@blueprint.post("/controls/<target>/limit")
@allow(Role.OPERATOR, action="target.limit")
def limit(target: str) -> Response:
    """Override a limit, remove it, or return to the code value."""
    chosen, setting, do = override_requests.read_target(target), request.form.get("setting", ""), request.form.get("do", "")
    if setting not in (RATE_LIMIT, CONCURRENCY) or do not in ("set", "lift", "follow"):
        raise BadRequest("Unknown button.")
    try:
        with database.write() as session:
            if do == "follow":
                override_requests.follow_code(session, chosen, setting)
            else:
                value = None if do == "lift" else _value(setting, request.form.get("value", "").strip())
                override_requests.override(session, chosen, setting, value, by=visitor())
        flash("Override removed." if do == "follow" else "Limit changed: it applies from the next job on.", "success")
    except JobsError as error:
        flash(f"Failed: {error}", "error")
    return _back(chosen)


@blueprint.post("/controls/<target>/reset")
@allow(Role.OPERATOR, action="breaker.reset")
def reset(target: str) -> Response:
    """Reset an actor's circuit breaker."""
    chosen = override_requests.read_target(target)
    with database.write() as session:
        waited = breakers.reset(session, chosen.name)
    flash(f"Circuit breaker closed; {counted(waited, 'job was', 'jobs were')} waiting.", "success")
    return _back(chosen)


def _value(setting: str, text: str) -> Any:
    if setting == RATE_LIMIT:
        return text
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise JobsError("Enter the number of jobs that may run at once, e.g. 3.", field=CONCURRENCY)
    return int(text)


def _named(target: Target) -> str:
    return "Everything" if target.scope == "all" else f"{target.scope.capitalize()} {target.name}"


def _back(target: Target) -> Response:
    if request.form.get("from") == "overview":
        return redirect(url_for("overview.show"), 303)
    if target.scope == "actor":
        return redirect(url_for("actors.form", name=target.name, tab="settings"), 303)
    return redirect(url_for("queues.show", name=target.name) if target.name else url_for("queues.index"), 303)
