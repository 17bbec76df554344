"""Retention: delete old ticks and changes, but keep the newest of each schedule."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ...settings import get_settings
from ...sql.clock import now
from .models import Schedule, ScheduleChange, Tick
from .vocabulary import TickState

#: ticks and changes kept per schedule, however old: a yearly schedule needs a history too
NEWEST_KEPT = 100


def prune(session: Session) -> int:
    """Delete expired ticks and changes; return the number of ticks."""
    cutoff, deleted = now() - timedelta(days=get_settings().keep_ticks), 0
    for id in list(session.execute(select(Schedule.id)).scalars()):
        of_this = select(Tick.scheduled_for).where(Tick.schedule_id == id).order_by(Tick.scheduled_for.desc())
        oldest_kept = session.execute(of_this.offset(NEWEST_KEPT - 1).limit(1)).scalar()
        if oldest_kept is not None:
            old = (Tick.schedule_id == id) & (Tick.scheduled_for < min(cutoff, oldest_kept)) & (Tick.state != TickState.SUBMITTED)
            # By age of the decision, too: a backfill of ticks older than the cutoff must find them when it is repeated.
            old &= Tick.decided_at < cutoff
            deleted += len(session.execute(delete(Tick).where(old).returning(Tick.schedule_id)).all())
        changes = select(ScheduleChange.id).where(ScheduleChange.schedule_id == id).order_by(ScheduleChange.id.desc())
        newest_over = session.execute(changes.offset(NEWEST_KEPT).limit(1)).scalar()
        if newest_over is not None:
            over = (ScheduleChange.schedule_id == id) & (ScheduleChange.id <= newest_over) & (ScheduleChange.changed_at < cutoff)
            session.execute(delete(ScheduleChange).where(over))
    return deleted
