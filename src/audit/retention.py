"""Retention: delete audit entries after their time, a few at a time."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from src.audit.lines import AuditLine
from src.database import now
from src.settings import get_settings


def prune(session: Session, *, batch: int = 5_000) -> int:
    """Delete up to `batch` lines whose time is over; return how many."""
    over = now() - timedelta(days=get_settings().keep_audit)
    seqs = session.execute(select(AuditLine.seq).where(AuditLine.at < over).order_by(AuditLine.at).limit(batch)).scalars().all()
    session.execute(delete(AuditLine).where(AuditLine.seq.in_(seqs)))
    return len(seqs)
