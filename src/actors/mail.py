"""Mail: rendered once and stored in the caller's commit, delivered by a job of its own, which alone is retried."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

import dramatiq
from pydantic import Base64Bytes, BaseModel, Field
from sqlalchemy.orm import Session

from ..jobs import current_job, submit
from ..jobs.submit.submission import new_id
from ..mail import deliveries
from ..mail.deliveries import UnknownMail
from ..mail.errors import LetterError, NoMailServer, NotSent
from ..mail.letters import Attachment, Letter, compose
from ..mail.models import DeliveryState
from ..mail.smtp import Answer, MailServer, deliver
from ..settings import get_settings
from ..sql.clock import now
from ..sql.database import read, write
from ..sql.outages import is_outage

#: milliseconds between two delivery attempts
TRY_AGAIN_MS = 600_000
#: delivery attempts: two days' worth, as mail servers do
MOST_TRIES = 288
#: groups of four characters, the last one padded
BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


class Refused(Exception):
    """The mail server permanently refuses the email for all its recipients."""


class AttachedFile(BaseModel):
    """A file to attach to an email."""

    filename: Annotated[str, Field(min_length=1, max_length=200)]
    content_type: str = "application/octet-stream"
    content: Annotated[Base64Bytes, Field(description="in Base64", json_schema_extra={"contentEncoding": "base64", "pattern": BASE64})]


def post(session: Session, letter: Letter) -> str:
    """Render and store an email and submit its delivery, all in the caller's transaction; return the mail's id.

    On rollback nothing is sent; after the commit it is sent even if the process is killed. Raises LetterError naming
    the invalid field.
    """
    id = new_id()
    composed = compose(letter, id=id, sender=get_settings().mail_from, at=now())
    message = _delivery_of(id)
    deliveries.keep(session, composed, id=id, job_id=current_job.id if current_job else None, delivery_job_id=message.message_id)
    submit(session, message)
    return id


def send_again(session: Session, mail_id: str, numbers: Collection[int] = (), *, by: str | None = None) -> list[str]:
    """Send an email again to these deliveries (default: those not sent); return the recipients.

    The email and its Message-ID stay the same. Raises UnknownMail.
    """
    message = _delivery_of(mail_id)
    recipients = deliveries.queue_again(session, mail_id, numbers, delivery_job_id=message.message_id)
    if recipients:
        submit(session, message, submitted_by=by)
    return recipients


@dramatiq.actor(queue_name="mail", transactional=True, max_retries=5, throws=(LetterError,), submit_role="operator")
def send_mail(
    to: Annotated[list[str], Field(min_length=1, title="To", description="Email addresses.")],
    subject: Annotated[str, Field(min_length=1, max_length=500)],
    template: str = "letter",
    context: Annotated[dict[str, Any] | None, Field(description="Values for the template; `letter` takes a text.")] = None,
    attachments: list[AttachedFile] | None = None,
) -> dict[str, str]:
    """Send an email.

    The template is rendered here, once, as text and HTML. Delivery is a separate job, retried every ten minutes for two
    days until the mail server accepts the email.
    """
    files = [Attachment(each.filename, each.content_type, each.content) for each in attachments or ()]
    letter = Letter(to=to, subject=subject, template=template, context=context or {}, attachments=files)
    return {"mail": post(current_job.session, letter)}


def _is_worth_another_try(failures: int, error: BaseException) -> bool:
    """True for SMTP errors, and for a database outage while recording the answers; other errors are permanent."""
    return failures < MOST_TRIES and (isinstance(error, NotSent) or (isinstance(error, Exception) and is_outage(error)))


@dramatiq.actor(
    queue_name="mail",
    internal=True,
    retry_delay=TRY_AGAIN_MS,
    retry_when=_is_worth_another_try,
    throws=(UnknownMail, NoMailServer, Refused),
    time_limit=900_000,
    # One job at a time for each mail: two at once, after a click on Resend, would both send to whom it has not reached yet.
    concurrency=1,
    concurrency_key=lambda mail_id: mail_id,
)
def deliver_mail(mail_id: str) -> str:
    """Deliver an email that was written.

    Goes to every recipient it has not reached yet. Each one reached is recorded at once, so that a retry leaves them
    out.
    """
    with read() as session:
        left = deliveries.outgoing(session, mail_id)
    if not left.recipients:
        return "all deliveries were already done"
    answers: dict[str, Answer] = {}

    def note(answered: Any) -> None:
        answers.update(answered)
        with write() as session:
            deliveries.note(session, left.seq, answered)
        current_job.progress(len(answers), len(left.recipients))

    deliver(MailServer.parse(get_settings().smtp_url), sender=left.sender, recipients=left.recipients, raw=left.raw, note=note)
    return _summary(answers)


def _summary(answers: dict[str, Answer]) -> str:
    by_state = {state: [(who, one.text) for who, one in answers.items() if one.state is state] for state in DeliveryState}
    sent, refused, later = (by_state[state] for state in (DeliveryState.SENT, DeliveryState.REFUSED, DeliveryState.QUEUED))
    if later:
        raise NotSent(f"not yet delivered to {_people(later)}")
    if not sent:
        raise Refused(f"refused for {_people(refused)}")
    return f"sent to {len(sent)}" + (f", refused for {_people(refused)}" if refused else "")


def _people(answers: list[tuple[str, str]]) -> str:
    (who, words), others = answers[0], len(answers) - 1
    return f"{who}" + (f" and {others} more" if others else "") + f": {words}"


def _delivery_of(mail_id: str) -> dramatiq.Message[Any]:
    return deliver_mail.message(mail_id).copy(message_id=new_id())
