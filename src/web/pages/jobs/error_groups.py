"""/errors: error groups, their status, and retry."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from ....jobs import State, search
from ....jobs.core.errors import JobsError
from ....jobs.failures import groups
from ....jobs.failures.groups import Status
from ....operations.format.instants import parse_instant, write_instant
from ....operations.jobs.rows import FailureGroup
from ....operations.people import permissions
from ....operations.people.roles import Role
from ....sql import database
from ....sql.clock import now
from ...auth import allow, visitor
from ...http import export_formats
from ...render import tracebacks

blueprint = Blueprint("errors", __name__)

#: durations of a mute
MUTES = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}


@blueprint.get("/errors")
@allow(Role.VIEWER)
def index() -> str | Response:
    """List the unresolved groups, or those of one status."""
    chosen, before = request.args.get("status"), request.args.get("before")
    if chosen and chosen not in list(Status):
        raise JobsError(f"Unknown status {chosen!r}. Choose one of {', '.join(Status)}.", field="status")
    try:
        until = parse_instant(before) if before else None
    except ValueError as error:
        raise JobsError(str(error), field="before") from None
    with database.read() as session:
        page = groups.page(session, chosen=Status(chosen) if chosen else None, before=until, may_see=permissions.sight())
    if export_formats.requested_format():
        rows = [_document(group) for group in page.groups]
        return (
            export_formats.as_csv(rows, "errors")
            if export_formats.requested_format() == "csv"
            else export_formats.as_json({"groups": rows, "next": write_instant(page.next)})
        )
    return render_template(
        "errors/index.html", page=page, chosen=chosen, Status=Status, status=groups.status, next=write_instant(page.next)
    )  # fmt: skip


@blueprint.get("/errors/<fingerprint>")
@allow(Role.VIEWER)
def show(fingerprint: str) -> str:
    """One group."""
    with database.read() as session:
        group = groups.find(session, fingerprint)
        for actor in group.actors:
            permissions.require(actor)
        samples = groups.samples(session, fingerprint)
        common = groups.common(session, fingerprint)
        affected = search.tally(session, search.parse(f"error:{fingerprint}")).states
    newest = next((attempt.traceback for _, attempt in samples), None)
    depths = tracebacks.depths(newest) if newest else None
    again = affected[State.DEAD] + affected[State.RETRYING]
    return render_template(
        "errors/show.html", group=group, status=groups.status(group), samples=samples, common=common, affected=affected, again=again, depths=depths,
        mutes=list(MUTES), busiest=max((number for _, number in common.days), default=0),
    )  # fmt: skip


@blueprint.post("/errors/<fingerprint>/<any(resolve, mute, reopen):action>")
@allow(Role.OPERATOR, action="error.{action}")
def act(fingerprint: str, action: str) -> Response:
    """Resolve, mute or reopen a group."""
    with database.write() as session:
        if action == "resolve":
            groups.resolve(session, fingerprint, by=visitor().name)
            flash("Resolved. If it occurs again, it is shown as regressed.", "success")
        elif action == "mute":
            period = MUTES.get(request.form.get("for", ""))
            if period is None:
                raise BadRequest(f"Mute for one of {', '.join(MUTES)}.")
            groups.mute(session, fingerprint, by=visitor().name, until=now() + period)
            flash("Muted: no emails and hidden from the overview until then.", "success")
        else:
            groups.reopen(session, fingerprint)
            flash("Reopened.", "success")
    return redirect(url_for("errors.show", fingerprint=fingerprint), 303)


def _document(group: FailureGroup) -> dict[str, object]:
    return {
        "fingerprint": group.fingerprint, "status": groups.status(group).value, "kind": group.kind, "message": group.message, "place": group.place,
        "actors": group.actors, "count": group.count, "first_seen_at": write_instant(group.first_seen_at), "last_seen_at": write_instant(group.last_seen_at),
    }  # fmt: skip
