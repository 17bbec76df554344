"""Webhook request, and documents of webhooks and deliveries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from ...jobs.core.errors import JobsError
from ...jobs.core.states import State
from ...jobs.webhooks import webhooks
from ...jobs.webhooks.models import Kind, Sent, Webhook, WebhookDelivery
from ..format.document_fields import Instant
from ..format.instants import write_instant
from ..format.request_values import RequestBody, example
from ..jobs import actor_catalogue
from ..people.caller import Caller

#: states and turns of all kinds; webhooks.create refuses those of another kind
EVENTS = [*webhooks.STATES[Kind.JOB], *webhooks.STATES[Kind.ALERT]]
Event = Annotated[str, WithJsonSchema({"type": "string", "enum": EVENTS})]


class WebhookBody(RequestBody):
    """Body that creates a webhook."""

    model_config = example({"url": "https://example.org/hook", "states": [State.DEAD]})

    url: str = Field(description="URL that receives the deliveries", min_length=1, max_length=2000)
    kind: Literal["job", "workflow", "alert"] = Field("job", description="events to deliver: finished jobs or workflows, or alerts")
    actor: str | None = Field(None, description="limit to jobs of this actor; null: all")
    states: list[Event] | None = Field(
        None, min_length=1, description="limit to these final states, or to began or recovered for alerts; null: all"
    )


class WebhookDocument(TypedDict):
    """A webhook."""

    id: str
    url: str
    kind: Kind
    actor: Annotated[str | None, Field(description="only jobs of this actor; null: of all")]
    states: Annotated[list[Event], Field(description="the final states that are delivered, or began and recovered for alerts")]
    created_at: Instant
    created_by: str


class DeliveryDocument(TypedDict):
    """One event for one webhook."""

    id: str
    event: str
    subject: Annotated[str, Field(description="id of the job or workflow, or the alert's subject")]
    state: Sent
    tries: int
    answer: Annotated[str | None, Field(description="of the last attempt")]
    created_at: Instant
    tried_at: Instant | None


def create(session: Session, body: WebhookBody, *, by: Caller) -> Webhook:
    """Create the webhook; raises JobsError naming the invalid field."""
    if body.actor:
        actor_catalogue.find(body.actor)
    elif by.actors is not None:
        raise JobsError("Your access is limited to some actors: name one of them.", field="actor")
    kind = Kind(body.kind)
    states = webhooks.STATES[kind] if body.states is None else body.states
    return webhooks.create(session, url=body.url, kind=kind, actor=body.actor, states=states, by=by.name)


def document(webhook: Webhook) -> WebhookDocument:
    """A webhook without its secret, which is shown only on creation."""
    return {
        "id": webhook.id,
        "url": webhook.url,
        "kind": webhook.kind,
        "actor": webhook.actor,
        "states": webhook.states,
        "created_at": write_instant(webhook.created_at),
        "created_by": webhook.created_by,
    }


def delivery(each: WebhookDelivery) -> DeliveryDocument:
    """A delivery."""
    return {
        "id": each.id,
        "event": each.event,
        "subject": each.subject,
        "state": each.state,
        "tries": each.tries,
        "answer": each.answer,
        "created_at": write_instant(each.created_at),
        "tried_at": write_instant(each.tried_at),
    }
