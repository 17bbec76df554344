"""Search field `schedule:`: jobs submitted by a schedule."""

from __future__ import annotations

from sqlalchemy import ColumnElement, String, cast, or_, select

from ...jobs.core.models import Job
from ...jobs.search.fields import Field, register
from ...jobs.search.texts import Place
from ...jobs.search.values import like
from .models import Schedule, Tick


def _of_schedule(value: str, _: Place) -> ColumnElement[bool]:
    schedules = select(Schedule.id).where(or_(like(Schedule.name, value), cast(Schedule.id, String) == value))
    return Job.id.in_(select(Tick.job_id).where(Tick.schedule_id.in_(schedules), Tick.job_id.is_not(None)))


register(Field("schedule", "the name of the schedule that submitted it", "schedule:nightly*", "of the schedule", _of_schedule))
