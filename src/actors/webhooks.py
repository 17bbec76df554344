"""Webhook deliveries: signed, retried for a day, to public addresses or those in CALLBOARD_HTTP_ALLOW."""

from __future__ import annotations

import base64
import hashlib
import hmac
from http import HTTPStatus

import dramatiq

from ..jobs.webhooks import webhooks
from ..jobs.webhooks.models import Sent
from ..settings import get_settings
from ..sql.clock import now
from ..sql.database import read, write
from .http_client import Answer, Request, call_once
from .ssrf_guard import CallFailed, CallRefused

#: timeout in seconds of one attempt, and bytes of its answer that are read
TIMEOUT_S, MOST_BYTES = 20, 100_000


class NotTaken(Exception):
    """The receiver did not answer with 2xx; `response` gives the time of the next try, if it sent one."""

    def __init__(self, text: str, response: Answer) -> None:
        super().__init__(text)
        self.response = response


class Gone(NotTaken):
    """The receiver answered 410: it wants no more deliveries."""


@dramatiq.actor(
    queue_name="webhooks",
    internal=True,
    max_retries=9,
    min_backoff=5_000,
    max_backoff=28_800_000,
    throws=(CallRefused, Gone, webhooks.UnknownWebhook),
    time_limit=60_000,
)
def deliver_webhook(id: str) -> str:
    """Deliver an event to a webhook.

    A 2xx response is success; all others but 410 are retried, nine times within about a day, or when Retry-After says.
    A redirect is not followed: it is a failure that names the new address. Signed by Standard Webhooks: HMAC-SHA256
    over id, time and body.
    """
    with read() as session:
        delivery = webhooks.delivery(session, id)
        if delivery.state is Sent.DELIVERED:
            return "it had been delivered"  # an operator who wants it sent again queues it first
        webhook = webhooks.find(session, delivery.webhook_id)
    body = delivery.payload.encode()
    headers = {"Content-Type": "application/json", **signature(webhook.secret, id, int(now().timestamp()), body)}
    try:
        got = call_once(
            Request("POST", webhook.url, headers, body), allowed=get_settings().http_allow, timeout_s=TIMEOUT_S, max_bytes=MOST_BYTES
        )
    except (CallFailed, CallRefused) as error:
        _note(id, delivered=False, answer=str(error))
        raise
    answer = f"{got.status} {got.reason}".strip() + (f", it has moved to {got.redirect}" if got.redirect else "")
    _note(id, delivered=200 <= got.status < 300, answer=answer)
    if not 200 <= got.status < 300:
        raise (Gone if got.status == HTTPStatus.GONE else NotTaken)(f"{answer} from {webhook.url}", got)
    return answer


def signature(secret: str, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that authenticate the delivery and its time."""
    key = base64.b64decode(secret.removeprefix(webhooks.PREFIX))
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def _note(id: str, *, delivered: bool, answer: str) -> None:
    with write() as session:
        webhooks.note_try(session, id, delivered=delivered, answer=answer)
