"""The living worker processes."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...sql.clock import now
from .models import Worker


def fleet_threads(session: Session) -> int:
    """Return the number of actor threads of all living worker processes that take jobs."""
    living = Worker.expires_at > now(), Worker.lost_at.is_(None), Worker.stopped_at.is_(None)
    statement = select(func.sum(Worker.threads)).where(*living, Worker.wish.is_(None))
    return int(session.execute(statement).scalar() or 0)
