"""Retention: delete expired audit entries in batches."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..settings import get_settings
from ..sql.clock import now
from .models import AuditEntry


def prune(session: Session, *, batch: int = 5_000) -> int:
    """Delete up to `batch` expired entries; return their number."""
    over = now() - timedelta(days=get_settings().keep_audit)
    seqs = session.execute(select(AuditEntry.seq).where(AuditEntry.at < over).order_by(AuditEntry.at).limit(batch)).scalars().all()
    session.execute(delete(AuditEntry).where(AuditEntry.seq.in_(seqs)))
    return len(seqs)
