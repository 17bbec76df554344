"""When which version of the code came to work: the first start of a worker of each version that is still remembered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..core.models import Worker


def since(session: Session, start: datetime) -> list[tuple[datetime, str]]:
    """The deploys after an instant, in order; the first one that is remembered is none: nothing is known of before."""
    first = func.min(Worker.started_at)
    found = session.execute(select(first, Worker.version).group_by(Worker.version).order_by(first)).all()
    return [(row[0], row[1]) for row in found[1:] if row[0] >= start]
