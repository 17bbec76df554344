"""/api/v1/webhooks: URLs that receive events, and the state of each delivery."""

from __future__ import annotations

from flask import Response, request

from ....jobs.webhooks import webhooks
from ....operations.fleet import webhook_request
from ....operations.format.list_filters import read_filter
from ....operations.format.request_values import read
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor
from ...http.json_bodies import answer, read_json, read_limit
from ..requests.blueprint import blueprint


@blueprint.get("/webhooks")
@allow(Role.ADMIN)
def list_webhooks() -> Response:
    """List the webhooks, newest first."""
    with database.read() as session:
        return answer({"webhooks": [webhook_request.document(each) for each in webhooks.every(session)]})


@blueprint.post("/webhooks")
@allow(Role.ADMIN, action="webhook.create")
def create_webhook() -> Response:
    """Create a webhook; only this response shows its secret."""
    body = read(webhook_request.WebhookBody, read_json(), example='{"url": "https://example.org/hook", "states": ["dead"]}')
    with database.write() as session:
        webhook = webhook_request.create(session, body, by=visitor())
        return answer({**webhook_request.document(webhook), "secret": webhook.secret}, 201)


@blueprint.get("/webhooks/<id>")
@allow(Role.ADMIN)
def show_webhook(id: str) -> Response:
    """One webhook."""
    with database.read() as session:
        return answer(webhook_request.document(webhooks.find(session, id)))


@blueprint.delete("/webhooks/<id>")
@allow(Role.ADMIN, action="webhook.delete")
def delete_webhook(id: str) -> Response:
    """Delete a webhook with its deliveries."""
    with database.write() as session:
        webhooks.remove(session, id)
    return Response(status=204)


@blueprint.post("/webhooks/<id>/ping")
@allow(Role.ADMIN, action="webhook.ping")
def ping_webhook(id: str) -> Response:
    """Send a test delivery."""
    with database.write() as session:
        return answer({"id": webhooks.ping(session, id)}, 202)


@blueprint.get("/webhooks/<id>/deliveries")
@allow(Role.ADMIN)
def list_deliveries(id: str) -> Response:
    """List a webhook's deliveries, newest first, in pages."""
    after = read_filter({"after": request.args.get("after", "")}).after
    with database.read() as session:
        page = webhooks.page(session, webhooks.find(session, id).id, after=after, limit=read_limit())
    return answer(
        {"deliveries": [webhook_request.delivery(each) for each in page.deliveries], "next": None if page.next is None else str(page.next)}
    )


@blueprint.post("/webhook-deliveries/<id>/resend")
@allow(Role.ADMIN, action="webhook.resend")
def resend_delivery(id: str) -> Response:
    """Resend a delivery."""
    with database.write() as session:
        return answer(webhook_request.delivery(webhooks.resend(session, id, by=visitor().name)), 202)
