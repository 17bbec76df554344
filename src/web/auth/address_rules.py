"""URL rules: reject requests of callers with limited actors by URL, before the view runs.

A write passes only if its URL names a checkable object (GUARDED), or if its view checks the actor itself (FREE).
A new URL is rejected until it is listed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import request
from sqlalchemy.orm import Session

from ...jobs.batches import batches
from ...jobs.control import reach, workflows
from ...jobs.control.reach import Reach
from ...jobs.core.errors import UnknownJob
from ...jobs.read import queries
from ...operations.people.caller import Forbidden
from ...operations.people.permissions import beyond, in_force, require, require_reach, require_submit
from ...schedules.rows import queries as schedule_queries
from ...sql import database


def check() -> None:
    """Raise Forbidden if this request is outside the caller's permissions."""
    if request.url_rule is None:
        return
    rule = request.url_rule.rule.removeprefix("/api/v1")
    changes = request.method not in ("GET", "HEAD", "OPTIONS")
    # Sight first: the refusal of a role would tell that a hidden job exists.
    if in_force() is not None:
        _check_sight(rule, changes=changes)
    if changes and beyond():
        _check_submit(rule, dict(request.view_args or {}))


def _check_sight(rule: str, *, changes: bool) -> None:
    """Raise Forbidden, or an error of an unknown object, for what the caller may not see."""
    if rule.startswith(WHOLE):
        raise Forbidden("Emails and errors concern every actor: reading them requires access to all actors.")
    for prefix, check in GUARDED.items():
        if rule == prefix or rule.startswith((f"{prefix}/", f"{prefix}.")):
            given = request.view_args or {}
            name = next(iter(given))
            given[name] = check(given[name])
            return
    if changes and rule not in FREE and not rule.startswith("/account"):
        raise Forbidden("This may affect every actor: it requires access to all actors.")


def _check_submit(rule: str, named: dict[str, Any]) -> None:
    """Raise Forbidden for running or editing a job of an actor with a higher `submit_role`. Cancelling is exempt."""
    if named.get("action", named.get("verb")) in STOPS:
        return
    if rule.startswith("/actors/<name>"):
        require_submit(named["name"])
    elif rule.startswith(("/jobs/<id>", "/schedules/<id>", "/workflows/<id>")):
        with database.read() as session:
            require_reach(_reach(session, rule, named["id"]))


def _reach(session: Session, rule: str, id: str) -> Reach:
    """Return the reach of the request."""
    if rule.startswith("/workflows"):
        return reach.of_workflow(session, id)
    if rule.startswith("/schedules"):
        schedule = schedule_queries.find(session, id)
        told = (schedule.on_failure, schedule.on_recovery, schedule.on_alert)
        return Reach(frozenset(name for name in (schedule.actor, *told) if name))
    found = queries.find(session, id)
    # A re-run is a job without the follow-ups of the first one.
    return reach.of_job(session, id if found is None else found.id, alone=rule.startswith("/jobs/<id>/re-run"))


def _actor(name: str) -> str:
    require(name)
    return name


def _job(id: str) -> str:
    with database.read() as session:
        found = queries.find(session, id)
        if found is None:
            raise UnknownJob(f"There is no job {id}.", field="id")
        return found.id


def _workflow(id: str) -> str:
    with database.read() as session:
        if workflows.find(session, id) is None:
            raise UnknownJob(f"There is no workflow {id}.", field="id")
    return id


def _schedule(id: str) -> str:
    with database.read() as session:
        return str(schedule_queries.find(session, id).id)


def _in_view(target: str) -> str:
    """Check nothing: the view calls require_target."""
    return target


def _batch(id: str) -> str:
    with database.read() as session:
        return batches.find(session, id).id


#: Endpoints of one object, with the check that runs before the view. It returns the object's whole name, which the view gets: the beginning of
#: an id, read again by a session without the caller's limits, might be another's.
GUARDED: dict[str, Callable[[str], str]] = {
    "/actors/<name>": _actor,
    "/breakers/<actor>": _actor,
    "/reports/<name>": _actor,
    "/jobs/<id>": _job,
    "/workflows/<id>": _workflow,
    "/schedules/<id>": _schedule,
    "/batches/<id>": _batch,
    "/controls/<target>": _in_view,
    "/pauses/<target>": _in_view,
    "/limits/<target>": _in_view,
}
#: endpoints with the actor in the body: the catalogue and require_target check it
FREE = {
    "/jobs", "/jobs/bulk", "/jobs/views", "/jobs/views/<int:number>/delete", "/workflows", "/schedules", "/schedules/new", "/schedules/preview",
    "/users/new", "/count", "/sign-out", "/preferences", "/pauses", "/limits", "/files",
}  # fmt: skip
#: actions on a job, workflow or schedule that start no job
STOPS = {"cancel", "discard", "stack", "pause"}
WHOLE = ("/mails", "/mailbox", "/errors")
