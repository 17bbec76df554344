"""/admin/webhooks: webhooks and their deliveries with responses."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ....jobs.core.errors import JobsError
from ....jobs.webhooks import webhooks
from ....operations.fleet import webhook_request
from ....operations.format.list_filters import read_filter
from ....operations.format.request_values import read
from ....operations.jobs import actor_catalogue
from ....operations.jobs.rows import Webhook, WebhookKind
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor

blueprint = Blueprint("webhooks", __name__)

ROWS = 50


@blueprint.get("/admin/webhooks")
@allow(Role.ADMIN)
def index() -> str:
    """List the webhooks, with the form for a new one."""
    return _index({}, None)


@blueprint.post("/admin/webhooks")
@allow(Role.ADMIN, action="webhook.create")
def create() -> str | Response | tuple[str, int]:
    """Create a webhook: redirect to its page with the secret, or show the errors."""
    kind = request.form.get("kind", "job")
    # One set of checkboxes serves all kinds and is fully checked at first: ignore the states of other kinds.
    possible = webhooks.STATES[WebhookKind(kind)] if kind in set(WebhookKind) else []
    wanted = {
        "url": request.form.get("url", "").strip(),
        "kind": kind,
        "actor": request.form.get("actor") or None,
        "states": [state for state in request.form.getlist("states") if state in possible],
    }
    try:
        with database.write() as session:
            webhook = webhook_request.create(session, read(webhook_request.WebhookBody, wanted), by=visitor())
            id, secret = webhook.id, webhook.secret
    except JobsError as error:
        return _index(wanted, error), 422
    return render_template("admin/webhook.html", webhook=_found(id), page=webhooks.Page([], None), secret=secret)


@blueprint.get("/admin/webhooks/<id>")
@allow(Role.ADMIN)
def show(id: str) -> str:
    """One webhook with its deliveries."""
    webhook = _found(id)
    with database.read() as session:
        page = webhooks.page(session, id, after=read_filter({"after": request.args.get("after", "")}).after, limit=ROWS)
    return render_template("admin/webhook.html", webhook=webhook, page=page, secret=None)


@blueprint.post("/admin/webhooks/<id>/ping")
@allow(Role.ADMIN, action="webhook.ping")
def ping(id: str) -> Response:
    """Send a test delivery."""
    with database.write() as session:
        webhooks.ping(session, id)
    flash("Ping queued.", "success")
    return redirect(url_for("webhooks.show", id=id), 303)


@blueprint.post("/admin/webhooks/<id>/delete")
@allow(Role.ADMIN, action="webhook.delete")
def delete(id: str) -> Response:
    """Delete a webhook with its deliveries."""
    with database.write() as session:
        webhooks.remove(session, id)
    flash("Webhook deleted.", "success")
    return redirect(url_for("webhooks.index"), 303)


@blueprint.post("/admin/webhook-deliveries/<id>/resend")
@allow(Role.ADMIN, action="webhook.resend")
def resend(id: str) -> Response:
    """Resend a delivery."""
    with database.write() as session:
        webhook = webhooks.resend(session, id, by=visitor().name).webhook_id
    flash("Delivery queued again.", "success")
    return redirect(url_for("webhooks.show", id=webhook), 303)


def _index(wanted: Mapping[str, object], error: JobsError | None) -> str:
    with database.read() as session:
        listed = webhooks.every(session)
    names = [actor.actor_name for actor in actor_catalogue.everyone()]
    events = webhook_request.EVENTS
    return render_template("admin/webhooks.html", webhooks=listed, actors=names, events=events, wanted=wanted, error=error)


def _found(id: str) -> Webhook:
    with database.read() as session:
        return webhooks.find(session, id)
