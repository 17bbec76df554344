"""Deploys: the first start of a worker of each code version still on record."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..core.models import Worker


def since(session: Session, start: datetime) -> list[tuple[datetime, str]]:
    """Return the deploys after an instant, in order, without the first on record: what ran before it is unknown."""
    first = func.min(Worker.started_at)
    found = session.execute(select(first, Worker.version).group_by(Worker.version).order_by(first)).all()
    return [(began_at, version) for began_at, version in found[1:] if began_at >= start]
