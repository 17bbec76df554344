"""/alerts: active, resolved and muted alerts."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ....jobs.alerts import alerts, mutes
from ....jobs.core.errors import JobsError
from ....operations.fleet import alert_documents
from ....operations.format.request_values import ahead
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor
from ...http.responses import export_formats

blueprint = Blueprint("alerts", __name__)


@blueprint.get("/alerts")
@allow(Role.VIEWER)
def index() -> str | Response:
    """List active and resolved alerts with their mutes."""
    with database.read() as session:
        muted = mutes.in_force(session)
        on, over, looked_at = alerts.standing(session, muted), alerts.recovered(session), alerts.looked_at(session)
    if export_formats.requested_format():
        rows = [alert_documents.document(each, muted) for each in (*on, *over)]
        return (
            export_formats.as_csv(rows, "alerts")
            if export_formats.requested_format() == "csv"
            else export_formats.as_json({"alerts": rows})
        )
    return render_template("alerts/index.html", on=on, over=over, muted=muted, looked_at=looked_at)


@blueprint.post("/alerts/<int:id>/mute")
@allow(Role.OPERATOR, action="alert.mute")
def mute(id: int) -> Response:
    """Mute an alert."""
    try:
        until = ahead("for", request.form.get("for", "").strip())
        assert until is not None  # a non-empty text gives a time or raises
        with database.write() as session:
            mutes.mute(session, id, until=until, by=visitor().name)
        flash("Alert muted: no notifications and hidden from the overview until then.", "success")
    except mutes.UnknownAlert:
        raise
    except JobsError as error:
        flash(f"Failed: {error}", "error")
    return redirect(url_for("alerts.index"), 303)


@blueprint.post("/alerts/<int:id>/unmute")
@allow(Role.OPERATOR, action="alert.unmute")
def unmute(id: int) -> Response:
    """Unmute an alert."""
    with database.write() as session:
        mutes.unmute(session, id)
    flash("Alert unmuted.", "success")
    return redirect(url_for("alerts.index"), 303)
