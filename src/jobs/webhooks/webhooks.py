"""Webhooks as rows: created and deleted by users; their deliveries listed, updated after each attempt, and resent."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ..core.errors import JobsError
from ..core.states import FINAL, Turn
from ..core.values import storable
from ..submit.submission import new_id
from . import events
from .models import Kind, Sent, Webhook, WebhookDelivery

#: bytes of a secret
SECRET_BYTES = 32
#: prefix of a secret, by Standard Webhooks
PREFIX = "whsec_"

#: events that a webhook can subscribe to, by kind
STATES = {
    Kind.JOB: sorted(state.value for state in FINAL),
    Kind.WORKFLOW: sorted(state.value for state in FINAL),
    Kind.ALERT: [turn.value for turn in Turn],
}


class UnknownWebhook(JobsError):
    """No such webhook or delivery."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of deliveries, newest first; pass `next` as `after` for the following page."""

    deliveries: list[WebhookDelivery]
    next: int | None


def create(session: Session, *, url: str, kind: Kind, actor: str | None, states: Sequence[str], by: str) -> Webhook:
    """Create a webhook with a new secret. Raises JobsError naming the invalid field."""
    known, one = STATES[kind], "an alert" if kind is Kind.ALERT else f"a {kind}"
    if not _is_address(url):
        raise JobsError("Give an address that begins with https:// or http://, in ASCII: https://HOST/PATH.", field="url")
    if "@" in url.split("/", 3)[2]:
        raise JobsError("Give the address without user and password: it is shown on pages. Deliveries are signed instead.", field="url")
    if not states or not set(states) <= set(known):
        raise JobsError(f"Give at least one of the states of {one} to notify of: {', '.join(known)}.", field="states")
    if kind is not Kind.JOB and actor:
        raise JobsError(f"{one.capitalize()} has no actor of its own: leave it out.", field="actor")
    secret = PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    webhook = Webhook(
        id=new_id(), url=url, secret=secret, kind=kind, actor=actor or None, states=sorted(set(states)), created_at=now(), created_by=by
    )
    session.add(webhook)
    session.flush()
    audit.about("webhook", webhook.id, url=url)
    events.forget(session)
    return webhook


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return (
        has_place
        and url.startswith(("http://", "https://"))
        and len(url) <= 2000
        and url.isascii()
        and url.isprintable()
        and " " not in url
    )


def remove(session: Session, id: str) -> None:
    """Delete a webhook with its deliveries."""
    audit.about("webhook", find(session, id).id)
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.webhook_id == id))
    session.execute(delete(Webhook).where(Webhook.id == id))
    events.forget(session)


def every(session: Session) -> list[Webhook]:
    """Return all webhooks, newest first."""
    return list(session.execute(select(Webhook).order_by(Webhook.created_at.desc(), Webhook.id)).scalars())


def find(session: Session, id: str) -> Webhook:
    """Return the webhook of this id, or raise UnknownWebhook."""
    found = session.get(Webhook, id)
    if found is None:
        raise UnknownWebhook(f"There is no webhook {id}.", field="id")
    return found


def page(session: Session, webhook_id: str, *, after: int | None = None, limit: int = 50) -> Page:
    """Return a page of a webhook's deliveries."""
    statement = (
        select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id).order_by(WebhookDelivery.seq.desc()).limit(limit + 1)
    )
    found = list(session.execute(statement if after is None else statement.where(WebhookDelivery.seq < after)).scalars())
    return Page(found[:limit], found[limit - 1].seq if len(found) > limit else None)


def ping(session: Session, id: str) -> str:
    """Send a test delivery to a webhook; return its id."""
    audit.about("webhook", find(session, id).id)
    [delivery] = events.add(session, [(id, "ping", id, events.payload("ping", now(), {"webhook": id}))])
    return delivery


def delivery(session: Session, id: str) -> WebhookDelivery:
    """Return the delivery of this id, or raise UnknownWebhook."""
    found = session.execute(select(WebhookDelivery).where(WebhookDelivery.id == id)).scalars().first()
    if found is None:
        raise UnknownWebhook(f"There is no delivery {id}.", field="id")
    return found


def resend(session: Session, id: str, *, by: str | None = None) -> WebhookDelivery:
    """Resend a delivery with the same id and body, so that a receiver can recognise a duplicate."""
    found = delivery(session, id)
    found.state = Sent.WAITING
    session.flush()
    events.submit(session, [id], by)
    return found


def note_try(session: Session, id: str, *, delivered: bool, answer: str) -> None:
    """Record the outcome of an attempt."""
    values = {
        "state": Sent.DELIVERED if delivered else Sent.FAILED,
        "answer": storable(answer)[:500],
        "tried_at": now(),
        "tries": WebhookDelivery.tries + 1,
    }
    session.execute(update(WebhookDelivery).where(WebhookDelivery.id == id).values(values))


def prune(session: Session, *, keep: timedelta, batch: int) -> int:
    """Delete expired deliveries; return their number."""
    old = select(WebhookDelivery.seq).where(WebhookDelivery.created_at < now() - keep).limit(batch)
    return session.execute(delete(WebhookDelivery).where(WebhookDelivery.seq.in_(list(session.execute(old).scalars())))).rowcount  # type: ignore[attr-defined, no-any-return]
