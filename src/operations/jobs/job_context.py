"""The context of a job: its workflow step, schedule and re-runs, and why it waits or stalls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from ...broker.recover import management
from ...broker.recover.broker_health import troubles
from ...jobs import State
from ...jobs.alerts.models import AlertKind
from ...jobs.control import waiting_reasons, workflows
from ...jobs.control.waiting_reasons import BrokerFacts
from ...jobs.control.workflows import Membership
from ...jobs.core.models import Job
from ...jobs.leases.stalled import stalled
from ...jobs.limits import overrides
from ...jobs.limits.overrides import Pause
from ...jobs.submit import reruns
from ...schedules.rows import queries as schedules
from ...schedules.rows.models import Schedule
from ...sql import database
from ...sql.clock import now


@dataclass(frozen=True, slots=True)
class JobContext:
    """Context of a job. `pause`: the pause that applies, even before a claim. `stalled`: why the job counts as stalled."""

    step: Membership | None = None
    pause: Pause | None = None
    stalled: str | None = None
    schedule: Schedule | None = None  # the one that submitted it
    reruns: Sequence[Mapping[str, Any]] = ()  # re-runs of this job
    because: Sequence[str] = ()  # why it is not running, if it waits

    def reason(self, job: Job) -> str | None:
        """The reason for the job's state."""
        return job.reason or (None if self.pause is None else str(self.pause))


def context_of(session: Session, job: Job) -> JobContext:
    """The context of a job."""
    step, tick = workflows.membership(session, job), schedules.of_job(session, job.id)
    schedule, _ = tick or (None, None)
    if job.state is State.RUNNING:
        return JobContext(step, schedule=schedule, stalled=stalled(session, [job.id]).get(job.id))
    if job.state.is_final:
        return JobContext(step, schedule=schedule, reruns=reruns.of(session, job.id))
    is_paused = job.state is State.QUEUED or (job.state is State.SCHEDULED and (job.waits_for or "").startswith("pause:"))
    pause = overrides.load(session).pause(job.actor or "", job.queue, now()) if is_paused else None
    return JobContext(step, pause, schedule=schedule, because=waiting_reasons.why(session, job, _broker(session)))


def _broker(session: Session) -> BrokerFacts:
    found = troubles(session, management.overview())
    stops = [each for each in found if each.stops_publishing]
    return BrokerFacts(
        away=[each.text for each in stops if each.kind is AlertKind.BROKER_AWAY],
        blocked=[each.text for each in stops if each.kind is not AlertKind.BROKER_AWAY],
    )


def context_now(job: Job) -> JobContext:
    """The context of a job, read in a separate session."""
    with database.read() as session:
        return context_of(session, job)
