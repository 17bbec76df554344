"""/api/v1/webhooks: URLs that receive events, and the state of each delivery."""

from __future__ import annotations

from flask import Response, request
from typing_extensions import TypedDict

from ....jobs.webhooks import webhooks
from ....operations.fleet import webhook_request
from ....operations.fleet.webhook_request import DeliveryDocument, WebhookBody, WebhookDocument
from ....operations.format.document_fields import Next
from ....operations.format.list_filters import Paging, read_filter
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor
from ...http.json_bodies import Answer, answer, read_limit
from ..requests.routes import Routes, Tag

api = Routes(Tag.WEBHOOKS)


class Webhooks(TypedDict):
    """The webhooks, newest first."""

    webhooks: list[WebhookDocument]


class NewWebhook(WebhookDocument):
    """A webhook with the key that signs its deliveries, which is shown only once."""

    secret: str


class Ping(TypedDict):
    """A test delivery."""

    id: str


class DeliveriesPage(TypedDict):
    """A page of the deliveries of a webhook, newest first."""

    deliveries: list[DeliveryDocument]
    next: Next


@api.get("/webhooks")
@allow(Role.ADMIN)
def list_webhooks() -> Answer[Webhooks]:
    """List the webhooks, newest first."""
    with database.read() as session:
        return answer({"webhooks": [webhook_request.document(each) for each in webhooks.every(session)]})


@api.post("/webhooks", status=201, errors=(422,))
@allow(Role.ADMIN, action="webhook.create")
def create_webhook(body: WebhookBody) -> Answer[NewWebhook]:
    """Create a webhook; only this response shows its secret."""
    with database.write() as session:
        webhook = webhook_request.create(session, body, by=visitor())
        return answer({**webhook_request.document(webhook), "secret": webhook.secret}, 201)


@api.get("/webhooks/<id>", errors=(404,))
@allow(Role.ADMIN)
def show_webhook(id: str) -> Answer[WebhookDocument]:
    """One webhook."""
    with database.read() as session:
        return answer(webhook_request.document(webhooks.find(session, id)))


@api.delete("/webhooks/<id>", status=204, errors=(404,))
@allow(Role.ADMIN, action="webhook.delete")
def delete_webhook(id: str) -> Response:
    """Delete a webhook with its deliveries."""
    with database.write() as session:
        webhooks.remove(session, id)
    return Response(status=204)


@api.post("/webhooks/<id>/ping", status=202, errors=(404,))
@allow(Role.ADMIN, action="webhook.ping")
def ping_webhook(id: str) -> Answer[Ping]:
    """Send a test delivery."""
    with database.write() as session:
        return answer({"id": webhooks.ping(session, id)}, 202)


@api.get("/webhooks/<id>/deliveries", query=Paging, errors=(404, 422))
@allow(Role.ADMIN)
def list_deliveries(id: str) -> Answer[DeliveriesPage]:
    """List a webhook's deliveries, newest first, in pages."""
    after = read_filter({"after": request.args.get("after", "")}).after
    with database.read() as session:
        page = webhooks.page(session, webhooks.find(session, id).id, after=after, limit=read_limit())
    return answer(
        {"deliveries": [webhook_request.delivery(each) for each in page.deliveries], "next": None if page.next is None else str(page.next)}
    )


@api.post("/webhook-deliveries/<id>/resend", status=202, errors=(404,))
@allow(Role.ADMIN, action="webhook.resend")
def resend_delivery(id: str) -> Answer[DeliveryDocument]:
    """Resend a delivery."""
    with database.write() as session:
        return answer(webhook_request.delivery(webhooks.resend(session, id, by=visitor().name)), 202)
