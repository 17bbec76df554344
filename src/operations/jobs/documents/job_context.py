"""The context of a job: its workflow step, its unique period, and why it waits or stalls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from ....broker.recover import management
from ....broker.recover.broker_health import troubles
from ....jobs import State
from ....jobs.alerts.models import AlertKind
from ....jobs.control import waiting_reasons, workflows
from ....jobs.control.waiting_reasons import BrokerFacts, Reason
from ....jobs.control.workflows import Membership
from ....jobs.core.models import Job
from ....jobs.leases.stalled import stalled
from ....jobs.limits import overrides
from ....jobs.limits.overrides import Pause
from ....jobs.submit import periods
from ....jobs.submit.periods import Period
from ....sql import database
from ....sql.clock import now


@dataclass(frozen=True, slots=True)
class JobContext:
    """Context of a job. `pause`: the pause that applies, even before a claim. `stalled`: why the job counts as stalled."""

    step: Membership | None = None
    pause: Pause | None = None
    stalled: str | None = None
    because: Sequence[Reason] = ()  # why it is not running, if it waits
    unique: Period | None = None  # its unique key, if that is taken for a period

    def reason(self, job: Job) -> str | None:
        """The reason for the job's state."""
        return job.reason or (None if self.pause is None else str(self.pause))


def context_of(session: Session, job: Job) -> JobContext:
    """The context of a job."""
    step, unique = workflows.membership(session, job), periods.of(session, job.id)
    if job.state is State.RUNNING:
        return JobContext(step, stalled=stalled(session, [job.id]).get(job.id), unique=unique)
    if job.state.is_final:
        return JobContext(step, unique=unique)
    is_paused = job.state is State.QUEUED or (job.state is State.SCHEDULED and (job.waits_for or "").startswith("pause:"))
    pause = overrides.load(session).pause(job.actor or "", job.queue, now()) if is_paused else None
    return JobContext(step, pause, because=waiting_reasons.why(session, job, _broker(session)), unique=unique)


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
