"""/api/v1/mails and /mailbox: emails, their deliveries, and resending."""

from __future__ import annotations

from typing import Any

from flask import Response, request, url_for

from ...actors.mail import send_again
from ...jobs.core.errors import JobsError
from ...mail import deliveries, mailbox, reading
from ...mail.deliveries import UnknownMail
from ...mail.models import DeliveryState, Mail, ReceivedMail
from ...operations.format.instants import write_instant
from ...operations.format.list_filters import read_filter
from ...operations.people.roles import Role
from ...sql import database
from ..auth import allow, visitor
from ..http.json_bodies import answer, read_json
from .requests.blueprint import blueprint

ROWS = 50


@blueprint.get("/mails")
@allow(Role.OPERATOR)
def list_mails() -> Response:
    """List outgoing emails, newest first, in pages."""
    with database.read() as session:
        page = deliveries.page(session, state=_state(), after=_after(), limit=ROWS)
    return answer({"mails": [_summary(mail) for mail in page.mails], "next": None if page.next is None else str(page.next)})


@blueprint.get("/mails/<id>")
@allow(Role.OPERATOR)
def show_mail(id: str) -> Response:
    """One email with its deliveries and its text."""
    with database.read() as session:
        mail, raw = deliveries.find(session, id), deliveries.raw_of(session, id)
    if mail is None or raw is None:
        raise UnknownMail(f"There is no email {id}.", field="id")
    return answer({**_summary(mail), **_words(raw)})


@blueprint.post("/mails/<id>/resend")
@allow(Role.OPERATOR, action="mail.resend")
def resend_mail(id: str) -> Response:
    """Resend an email: to the deliveries in `numbers`, or to all that were not sent."""
    body = read_json() if request.data else {}
    numbers = body.get("numbers", []) if isinstance(body, dict) else None
    if not isinstance(numbers, list) or not all(isinstance(each, int) and not isinstance(each, bool) for each in numbers):
        raise JobsError("numbers: give a list of delivery numbers, or omit it for all.", field="numbers")
    with database.write() as session:
        recipients = send_again(session, id, numbers, by=visitor().name)
    return answer({"id": id, "recipients": recipients, "url": url_for("api.show_mail", id=id, _external=True)}, 202)


@blueprint.get("/mailbox")
@allow(Role.OPERATOR)
def list_mailbox() -> Response:
    """List the emails of the built-in mailbox, newest first."""
    with database.read() as session:
        page = mailbox.page(session, after=_after(), limit=ROWS)
    return answer({"mails": [_received(mail) for mail in page.mails], "next": None if page.next is None else str(page.next)})


@blueprint.get("/mailbox/<int:number>")
@allow(Role.OPERATOR)
def show_received(number: int) -> Response:
    """One email of the built-in mailbox with its text."""
    with database.read() as session:
        mail, raw = mailbox.find(session, number), mailbox.raw_of(session, number)
    if mail is None or raw is None:
        raise UnknownMail(f"There is no email {number} in the mailbox.", field="number")
    return answer({**_received(mail), **_words(raw)})


def _summary(mail: Mail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "message_id": mail.message_id,
        "sender": mail.sender,
        "subject": mail.subject,
        "template": mail.template,
        "size": mail.size,
        "job": mail.job_id,
        "delivery_job": mail.delivery_job_id,
        "created_at": write_instant(mail.created_at),
        "deliveries": [
            {
                "number": each.number,
                "recipient": each.recipient,
                "state": each.state.value,
                "tries": each.tries,
                "answer": each.answer,
                "tried_at": write_instant(each.tried_at),
                "sent_at": write_instant(each.sent_at),
            }
            for each in mail.deliveries
        ],
    }


def _received(mail: ReceivedMail) -> dict[str, Any]:
    return {
        "number": mail.seq,
        "sender": mail.sender,
        "recipients": mail.recipients.split(", "),
        "subject": mail.subject,
        "message_id": mail.message_id,
        "size": mail.size,
        "received_at": write_instant(mail.received_at),
    }


def _words(raw: bytes) -> dict[str, Any]:
    email = reading.read(raw)
    parts = [{"filename": part.filename, "content_type": part.content_type, "size": part.size} for part in email.parts]
    return {"headers": dict(email.headers), "text": email.text, "html": email.html, "attachments": parts}


def _after() -> int | None:
    return read_filter({"after": request.args.get("after", "")}).after


def _state() -> DeliveryState | None:
    word = request.args.get("state")
    if word and word not in list(DeliveryState):
        raise JobsError(f"state: choose one of {', '.join(DeliveryState)}.", field="state")
    return DeliveryState(word) if word else None
