"""The built-in mailbox as rows: what came in, newest first, never more than a stated number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from ..jobs.finish.settle import storable
from ..sql.clock import now
from .models import ReceivedMail

#: letters kept; the oldest make room
MOST = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Some letters, newest first; `next` is the seq to pass as `after`, None on the last page."""

    mails: list[ReceivedMail]
    next: int | None


def receive(session: Session, *, sender: str, recipients: list[str], raw: bytes) -> int:
    """Keep a letter as it came and return its seq."""
    message = message_from_bytes(raw, policy=policy.default)
    statement = insert(ReceivedMail).values(
        received_at=now(),
        sender=storable(sender, 1000) or "",
        recipients=storable(", ".join(recipients), 20_000),
        subject=storable(str(message.get("Subject", "")), 1000) or "(no subject)",
        message_id=storable(message.get("Message-ID"), 1000),
        size=len(raw),
        raw=raw,
    )
    return int(session.execute(statement.returning(ReceivedMail.seq)).scalar_one())


def find(session: Session, seq: int) -> ReceivedMail | None:
    """One letter, without its bytes."""
    return session.get(ReceivedMail, seq)


def raw_of(session: Session, seq: int) -> bytes | None:
    """The letter as it came."""
    return session.execute(select(ReceivedMail.raw).where(ReceivedMail.seq == seq)).scalar()


def page(session: Session, *, after: int | None = None, limit: int = 50) -> Page:
    """A page of letters, newest first."""
    statement = select(ReceivedMail).order_by(ReceivedMail.seq.desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(ReceivedMail.seq < after)
    mails = session.execute(statement).scalars().all()
    return Page(list(mails[:limit]), mails[limit - 1].seq if len(mails) > limit else None)


def empty(session: Session) -> int:
    """Delete every letter; return how many."""
    return len(session.execute(delete(ReceivedMail).returning(ReceivedMail.seq)).all())


def prune(session: Session, *, keep: timedelta, most: int = MOST) -> int:
    """Delete what is older than `keep` or beyond the newest `most`; return how many."""
    edge = session.execute(select(ReceivedMail.seq).order_by(ReceivedMail.seq.desc()).offset(most).limit(1)).scalar()
    over = ReceivedMail.received_at < now() - keep
    if edge is not None:
        over = over | (ReceivedMail.seq <= edge)
    return len(session.execute(delete(ReceivedMail).where(over).returning(ReceivedMail.seq)).all())


def count(session: Session) -> int:
    return int(session.execute(select(func.count()).select_from(ReceivedMail)).scalar_one())
