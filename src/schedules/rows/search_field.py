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
    # One index lookup for each searched job: a list of the jobs would be one of every tick ever fired.
    fired_by = select(Tick.schedule_id).where(Tick.job_id == Job.id).limit(1).correlate(Job).scalar_subquery()
    return fired_by.in_(schedules)


register(Field("schedule", "the name of the schedule that submitted it", "schedule:nightly*", "of the schedule", _of_schedule))
