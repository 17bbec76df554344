"""Queries of audit entries: pages, newest first, and the entries of one subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from .models import AuditEntry, Outcome, Via


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filter of audit entries; None: any. An `action` that ends in a dot matches all of its kind: `job.`"""

    who: str | None = None
    action: str | None = None
    kind: str | None = None
    subject: str | None = None
    address: str | None = None
    outcome: Outcome | None = None
    via: Via | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of entries, newest first; pass `next` as `after` for the following page, None on the last one."""

    lines: Sequence[AuditEntry]
    next: int | None


def page(session: Session, wanted: Wanted, *, after: int | None = None, limit: int = 50) -> Page:
    """Return a page of entries, newest first, older than `after`."""
    statement = select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(limit + 1)
    for name in ("who", "kind", "subject", "address", "outcome", "via"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(getattr(AuditEntry, name) == value)
    if wanted.action is not None:
        is_kind = wanted.action.endswith(".")
        statement = statement.where(
            AuditEntry.action.startswith(wanted.action, autoescape=True) if is_kind else AuditEntry.action == wanted.action
        )
    if wanted.since is not None:
        statement = statement.where(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(AuditEntry.at < wanted.until)
    if after is not None:
        statement = statement.where(AuditEntry.seq < after)
    found = session.execute(statement).scalars().all()
    return Page(found[:limit], found[limit - 1].seq if len(found) > limit else None)


def of(session: Session, kind: str, subject: str, *, limit: int = 50) -> Sequence[AuditEntry]:
    """Return the newest entries about one subject."""
    return page(session, Wanted(kind=kind, subject=subject), limit=limit).lines


def is_noted(session: Session, action: str, who: str, *, reason: str, address: str | None, since: datetime) -> bool:
    """True if this refusal has a recent entry."""
    statement = select(AuditEntry.seq).where(AuditEntry.at > since, AuditEntry.outcome == Outcome.REFUSED, AuditEntry.action == action)
    return (
        session.execute(statement.where(AuditEntry.who == who, AuditEntry.reason == reason, AuditEntry.address == address).limit(1)).first()
        is not None
    )
