"""Stalled jobs: running jobs whose worker is silent, or that have been running for very long."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ...settings import get_settings
from ...sql.clock import now
from ..core.models import Job, Worker
from ..core.states import State


def stalled(session: Session, ids: Collection[str] | None = None, *, limit: int = 500) -> dict[str, str]:
    """Return job id -> why it counts as stalled, of these jobs or of all; a reason keeps its wording as long as it holds."""
    present = now()
    settings = get_settings()
    late = present - timedelta(seconds=2 * settings.heartbeat_interval)
    long_ago = present - timedelta(seconds=settings.stalled_after)
    statement = (
        select(Job.id, Worker.name, Worker.heartbeat_at)
        .outerjoin(Worker, Worker.id == Job.worker_id)
        .where(Job.state == State.RUNNING, or_(Job.started_at < long_ago, Worker.id.is_(None), Worker.heartbeat_at < late))
        .order_by(Job.seq)
        .limit(limit)
    )
    if ids is not None:
        statement = statement.where(Job.id.in_(ids))
    return {id: _why(late, worker, heartbeat_at) for id, worker, heartbeat_at in session.execute(statement)}


def _why(late: datetime, worker: str | None, heartbeat_at: datetime | None) -> str:
    if heartbeat_at is None:
        return "its worker is unknown"
    if heartbeat_at < late:
        return f"its worker {worker} has sent no heartbeat since {heartbeat_at:%H:%M:%S} UTC"
    return f"it has been running for longer than {get_settings().stalled_after:g} s (CALLBOARD_STALLED_AFTER)"
