"""Backup health: one sentence if backups fail, the same in the alert, the doctor and on the page."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..jobs.core.models import Job
from ..jobs.core.states import State
from ..schedules.rows import queries as schedules
from ..sql.clock import now

#: the actor that makes backups, in src/actors/upkeep.py
ACTOR = "back_up"
#: how many of its jobs are examined
LOOKED_AT = 100


def last_success(session: Session) -> datetime | None:
    """When a backup last succeeded, as far as jobs are kept."""
    newest = select(Job.finished_at).where(Job.actor == ACTOR, Job.state == State.SUCCEEDED).order_by(Job.seq.desc()).limit(1)
    return session.execute(newest).scalar()


def problem(session: Session, *, within: timedelta) -> str | None:
    """Return why backups need attention: the newest one failed, or none has succeeded `within` so long though a schedule asks for them."""
    newest = select(Job).where(Job.actor == ACTOR).order_by(Job.seq.desc()).limit(LOOKED_AT)
    jobs = list(session.execute(newest).scalars())
    succeeded = next((job for job in jobs if job.state is State.SUCCEEDED), None)
    failed = next((job for job in jobs if job.error and job.state in (State.DEAD, State.RETRYING)), None)
    if failed is not None and (succeeded is None or failed.seq > succeeded.seq):
        return f"The last backup failed: {failed.error}"
    present = now()
    asked = [each for each in schedules.of_actor(session, ACTOR) if each.paused_at is None]
    last = succeeded.finished_at if succeeded is not None else min((job.created_at for job in jobs), default=None)
    if not asked or last is None or present - last <= within:
        return None
    return f"No backup has succeeded since {last:%Y-%m-%d %H:%M} UTC"
