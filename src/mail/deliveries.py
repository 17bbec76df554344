"""Emails and their deliveries as rows: stored, queried, and updated with the mail server's answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session, undefer

from ..jobs.core.errors import JobsError
from ..jobs.core.values import storable
from ..jobs.read import row_counts
from ..jobs.read.row_counts import ALL, COUNTED, Counts, Subject
from ..sql.clock import now
from .letters import Composed
from .models import Delivery, DeliveryState, Mail
from .smtp import Answer


class UnknownMail(JobsError):
    """No such email."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of emails, newest first; `next` is the seq to pass as `after`, None on the last page."""

    mails: list[Mail]
    next: int | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The undelivered part of an email."""

    seq: int
    sender: str
    recipients: list[str]
    raw: bytes


def keep(session: Session, composed: Composed, *, id: str, job_id: str | None, delivery_job_id: str) -> None:
    """Store an email with a queued delivery for each recipient."""
    mail = insert(Mail).values(
        id=id, message_id=composed.message_id, sender=composed.sender, subject=composed.subject, template=composed.template,
        size=len(composed.raw), raw=composed.raw, job_id=job_id, delivery_job_id=delivery_job_id, created_at=now(),
    )  # fmt: skip
    seq = session.execute(mail.returning(Mail.seq)).scalar_one()
    rows = [
        {"mail_seq": seq, "number": number, "recipient": recipient, "state": DeliveryState.QUEUED, "tries": 0}
        for number, recipient in enumerate(composed.recipients, 1)
    ]
    session.execute(insert(Delivery), rows)


def outgoing(session: Session, id: str) -> Outgoing:
    """Return the undelivered part of this email; raises UnknownMail."""
    mail = session.execute(select(Mail).options(undefer(Mail.raw)).where(Mail.id == id)).scalars().first()
    if mail is None:
        raise UnknownMail(f"There is no email {id}: it may have been deleted by retention (CALLBOARD_KEEP_MAILS).", field="mail_id")
    left = [delivery.recipient for delivery in mail.deliveries if delivery.state is DeliveryState.QUEUED]
    return Outgoing(mail.seq, mail.sender, left, mail.raw)


def note(session: Session, seq: int, answers: Mapping[str, Answer]) -> None:
    """Record the mail server's answers. A delivery that was sent meanwhile stays sent."""
    present = now()
    for recipient, answer in answers.items():
        session.execute(
            update(Delivery)
            .where(Delivery.mail_seq == seq, Delivery.recipient == recipient, Delivery.state == DeliveryState.QUEUED)
            .values(
                state=answer.state,
                answer=storable(answer.text),
                tries=Delivery.tries + 1,
                tried_at=present,
                sent_at=present if answer.state is DeliveryState.SENT else None,
            )
        )


def queue_again(session: Session, id: str, numbers: Collection[int], *, delivery_job_id: str) -> list[str]:
    """Queue deliveries of an email again, whatever their state (default: those not sent); return the recipients."""
    mail = find(session, id)
    if mail is None:
        raise UnknownMail(f"There is no email {id}.", field="id")
    chosen = [d for d in mail.deliveries if (d.number in numbers if numbers else d.state is not DeliveryState.SENT)]
    session.execute(
        update(Delivery)
        .where(Delivery.mail_seq == mail.seq, Delivery.number.in_([delivery.number for delivery in chosen]))
        .values(state=DeliveryState.QUEUED, answer="queued to be resent")
        .execution_options(synchronize_session=False)
    )
    if chosen:
        session.execute(update(Mail).where(Mail.seq == mail.seq).values(delivery_job_id=delivery_job_id))
    return [delivery.recipient for delivery in chosen]


def find(session: Session, id: str) -> Mail | None:
    """Return the email with its deliveries, without its bytes."""
    return session.execute(select(Mail).where(Mail.id == id).execution_options(populate_existing=True)).scalars().first()


def raw_of(session: Session, id: str) -> bytes | None:
    """Return the email's bytes."""
    return session.execute(select(Mail.raw).where(Mail.id == id)).scalar()


def page(session: Session, *, state: DeliveryState | None = None, after: int | None = None, limit: int = 50) -> Page:
    """Return a page of emails, newest first; with `state`, those that have a delivery in it."""
    statement = select(Mail).order_by(Mail.seq.desc()).limit(limit + 1)
    if state is not None:
        statement = statement.where(select(Delivery.number).where(Delivery.mail_seq == Mail.seq, Delivery.state == state).exists())
    if after is not None:
        statement = statement.where(Mail.seq < after)
    mails: Sequence[Mail] = session.execute(statement).scalars().all()
    return Page(list(mails[:limit]), mails[limit - 1].seq if len(mails) > limit else None)


def counts(session: Session) -> dict[DeliveryState, int]:
    """Return the number of deliveries in each state. More than COUNTED: as the scheduler has counted them."""
    few = select(Delivery.state).limit(COUNTED + 1).subquery()
    counted = session.execute(select(few.c.state, func.count()).group_by(few.c.state)).all()
    found: Counts | None = {(ALL, state): number for state, number in counted}
    if sum(number for _, number in counted) > COUNTED:
        found = row_counts.latest(session, Subject.DELIVERIES)
    found = whole_counts(session) if found is None else found
    return {state: found.get((ALL, state), 0) for state in DeliveryState}


def whole_counts(session: Session) -> Counts:
    """Count all deliveries by state."""
    return {(ALL, state): number for state, number in session.execute(select(Delivery.state, func.count()).group_by(Delivery.state))}


def prune(session: Session, *, keep: timedelta, batch: int = 500) -> int:
    """Delete up to `batch` emails that are older than `keep` and have no pending delivery; return their number."""
    waiting = select(Delivery.number).where(Delivery.mail_seq == Mail.seq, Delivery.state == DeliveryState.QUEUED)
    # Keep undelivered emails twice as long: an operator may still want to send them.
    over = (Mail.created_at < now() - 2 * keep) | ((Mail.created_at < now() - keep) & ~waiting.exists())
    seqs = list(session.execute(select(Mail.seq).where(over).order_by(Mail.seq).limit(batch)).scalars())
    session.execute(delete(Delivery).where(Delivery.mail_seq.in_(seqs)))
    session.execute(delete(Mail).where(Mail.seq.in_(seqs)))
    return len(seqs)
