"""The built-in mailbox as rows: received emails, newest first, up to a fixed number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from ..jobs.finish.settle import storable
from ..sql.clock import now
from .models import ReceivedMail

#: emails kept; the oldest are deleted first
MOST = 1000
#: no store holds a larger number, which a URL may contain
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Page:
    """A page of emails, newest first; `next` is the seq to pass as `after`, None on the last page."""

    mails: list[ReceivedMail]
    next: int | None


def receive(session: Session, *, sender: str, recipients: list[str], raw: bytes) -> int:
    """Store an email as received, delete those beyond the newest MOST, and return its seq."""
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
    seq = int(session.execute(statement.returning(ReceivedMail.seq)).scalar_one())
    if (edge := _edge(session)) is not None:
        session.execute(delete(ReceivedMail).where(ReceivedMail.seq <= edge))
    return seq


def find(session: Session, seq: int) -> ReceivedMail | None:
    """Return one email, without its bytes."""
    return session.get(ReceivedMail, min(seq, _LARGEST))


def raw_of(session: Session, seq: int) -> bytes | None:
    """Return the email's bytes as received."""
    return session.execute(select(ReceivedMail.raw).where(ReceivedMail.seq == min(seq, _LARGEST))).scalar()


def page(session: Session, *, after: int | None = None, limit: int = 50) -> Page:
    """Return a page of emails, newest first."""
    statement = select(ReceivedMail).order_by(ReceivedMail.seq.desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(ReceivedMail.seq < after)
    mails = session.execute(statement).scalars().all()
    return Page(list(mails[:limit]), mails[limit - 1].seq if len(mails) > limit else None)


def empty(session: Session) -> int:
    """Delete every email; return their number."""
    return len(session.execute(delete(ReceivedMail).returning(ReceivedMail.seq)).all())


def prune(session: Session, *, keep: timedelta) -> int:
    """Delete emails older than `keep`; return their number."""
    return len(session.execute(delete(ReceivedMail).where(ReceivedMail.received_at < now() - keep).returning(ReceivedMail.seq)).all())


def count(session: Session) -> int:
    return int(session.execute(select(func.count()).select_from(ReceivedMail)).scalar_one())


def _edge(session: Session) -> int | None:
    """Return the seq of the newest email beyond the newest MOST."""
    return session.execute(select(ReceivedMail.seq).order_by(ReceivedMail.seq.desc()).offset(MOST).limit(1)).scalar()
