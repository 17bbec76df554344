"""/api/v1/mails and /mailbox: emails, their deliveries, and resending."""

from __future__ import annotations

from typing import Annotated

from flask import request, url_for
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from ...actors.mail import send_again
from ...jobs.core.errors import JobsError
from ...mail import deliveries, mailbox, reading
from ...mail.deliveries import UnknownMail
from ...mail.models import DeliveryState, Mail, ReceivedMail
from ...operations.format.document_fields import Instant, Next
from ...operations.format.instants import write_instant
from ...operations.format.list_filters import After, read_filter
from ...operations.people.roles import Role
from ...sql import database
from ..auth import allow, visitor
from ..http.json_bodies import Answer, answer, read_json
from .requests.routes import Routes, Tag

api = Routes(Tag.MAIL)
ROWS = 50


class MailsFilter(After, total=False):
    """Query parameters of the list of emails."""

    state: Annotated[DeliveryState, Field(description="only emails with a delivery in this state")]


class DeliveryOfMail(TypedDict):
    """The delivery of an email to one recipient."""

    number: int
    recipient: str
    state: DeliveryState
    tries: int
    answer: Annotated[str | None, Field(description="the mail server's last answer, or why it gave none")]
    tried_at: Instant | None
    sent_at: Instant | None


class MailSummary(TypedDict):
    """An outgoing email with its deliveries."""

    id: str
    message_id: str
    sender: str
    subject: str
    template: str | None
    size: Annotated[int, Field(description="bytes")]
    job: Annotated[str | None, Field(description="id of the job that wrote it")]
    delivery_job: Annotated[str | None, Field(description="id of the newest job that delivers it")]
    created_at: Instant
    deliveries: list[DeliveryOfMail]


class MailsPage(TypedDict):
    """A page of the outgoing emails, newest first."""

    mails: list[MailSummary]
    next: Next


class Attachment(TypedDict):
    """An attachment of an email."""

    filename: str
    content_type: str
    size: int


class Content(TypedDict):
    """The content of an email."""

    headers: dict[str, str]
    text: str | None
    html: str | None
    attachments: list[Attachment]


class MailDocument(MailSummary, Content):
    """An outgoing email with its deliveries and its content."""


class ResendBody(BaseModel):
    """The deliveries to resend."""

    numbers: list[int] = Field([], description="numbers of the deliveries; empty: all that were not sent")


class Resent(TypedDict):
    """An email that is sent again."""

    id: str
    recipients: list[str]
    url: Annotated[str, Field(json_schema_extra={"format": "uri"})]


class ReceivedSummary(TypedDict):
    """An email of the built-in mailbox."""

    number: int
    sender: str
    recipients: list[str]
    subject: str
    message_id: str | None
    size: Annotated[int, Field(description="bytes")]
    received_at: Instant


class ReceivedPage(TypedDict):
    """A page of the built-in mailbox, newest first."""

    mails: list[ReceivedSummary]
    next: Next


class ReceivedDocument(ReceivedSummary, Content):
    """An email of the built-in mailbox with its content."""


@api.get("/mails", query=MailsFilter, errors=(422,))
@allow(Role.OPERATOR)
def list_mails() -> Answer[MailsPage]:
    """List outgoing emails, newest first, in pages."""
    with database.read() as session:
        page = deliveries.page(session, state=_state(), after=_after(), limit=ROWS)
    return answer({"mails": [_summary(mail) for mail in page.mails], "next": None if page.next is None else str(page.next)})


@api.get("/mails/<id>", errors=(404,))
@allow(Role.OPERATOR)
def show_mail(id: str) -> Answer[MailDocument]:
    """One email with its deliveries and its text."""
    with database.read() as session:
        mail, raw = deliveries.find(session, id), deliveries.raw_of(session, id)
    if mail is None or raw is None:
        raise UnknownMail(f"There is no email {id}.", field="id")
    return answer({**_summary(mail), **_words(raw)})


@api.post("/mails/<id>/resend", status=202, body=ResendBody, body_required=False, errors=(404, 422))
@allow(Role.OPERATOR, action="mail.resend")
def resend_mail(id: str) -> Answer[Resent]:
    """Resend an email: to the deliveries in `numbers`, or to all that were not sent."""
    body = read_json() if request.data else {}
    numbers = body.get("numbers", []) if isinstance(body, dict) else None
    if not isinstance(numbers, list) or not all(isinstance(each, int) and not isinstance(each, bool) for each in numbers):
        raise JobsError("numbers: give a list of delivery numbers, or omit it for all.", field="numbers")
    with database.write() as session:
        recipients = send_again(session, id, numbers, by=visitor().name)
    return answer({"id": id, "recipients": recipients, "url": url_for("api.show_mail", id=id, _external=True)}, 202)


@api.get("/mailbox", query=After, errors=(422,))
@allow(Role.OPERATOR)
def list_mailbox() -> Answer[ReceivedPage]:
    """List the emails of the built-in mailbox, newest first."""
    with database.read() as session:
        page = mailbox.page(session, after=_after(), limit=ROWS)
    return answer({"mails": [_received(mail) for mail in page.mails], "next": None if page.next is None else str(page.next)})


@api.get("/mailbox/<int:number>", errors=(404,))
@allow(Role.OPERATOR)
def show_received(number: Annotated[int, Field(ge=0, le=2**31 - 1)]) -> Answer[ReceivedDocument]:
    """One email of the built-in mailbox with its text."""
    with database.read() as session:
        mail, raw = mailbox.find(session, number), mailbox.raw_of(session, number)
    if mail is None or raw is None:
        raise UnknownMail(f"There is no email {number} in the mailbox.", field="number")
    return answer({**_received(mail), **_words(raw)})


def _summary(mail: Mail) -> MailSummary:
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
                "state": each.state,
                "tries": each.tries,
                "answer": each.answer,
                "tried_at": write_instant(each.tried_at),
                "sent_at": write_instant(each.sent_at),
            }
            for each in mail.deliveries
        ],
    }


def _received(mail: ReceivedMail) -> ReceivedSummary:
    return {
        "number": mail.seq,
        "sender": mail.sender,
        "recipients": mail.recipients.split(", "),
        "subject": mail.subject,
        "message_id": mail.message_id,
        "size": mail.size,
        "received_at": write_instant(mail.received_at),
    }


def _words(raw: bytes) -> Content:
    email = reading.read(raw)
    parts: list[Attachment] = [{"filename": part.filename, "content_type": part.content_type, "size": part.size} for part in email.parts]
    return {"headers": dict(email.headers), "text": email.text, "html": email.html, "attachments": parts}


def _after() -> int | None:
    return read_filter({"after": request.args.get("after", "")}).after


def _state() -> DeliveryState | None:
    word = request.args.get("state")
    if word and word not in list(DeliveryState):
        raise JobsError(f"state: choose one of {', '.join(DeliveryState)}.", field="state")
    return DeliveryState(word) if word else None
