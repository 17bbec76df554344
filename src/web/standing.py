"""The context of a job: its workflow step, schedule and re-runs, and why it waits or stalls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from src import database
from src.broker import management
from src.broker.troubles import troubles
from src.database import now
from src.jobs import State, controls, reruns, waiting, workflows
from src.jobs.alert_models import AlertKind
from src.jobs.controls import Pause
from src.jobs.models import Job
from src.jobs.stalled import stalled
from src.jobs.waiting import BrokerFacts
from src.jobs.workflows import Membership
from src.schedules import queries as schedules
from src.schedules.models import Schedule


@dataclass(frozen=True, slots=True)
class Standing:
    """`pause`: the pause that holds a job, also before the job meets it. `stalled`: why the job counts as stalled."""

    step: Membership | None = None
    pause: Pause | None = None
    stalled: str | None = None
    schedule: Schedule | None = None  # the one that submitted it
    reruns: Sequence[Mapping[str, Any]] = ()  # jobs that run it again
    because: Sequence[str] = ()  # why it is not running, if it waits

    def reason(self, job: Job) -> str | None:
        """The reason for the job's state."""
        return job.reason or (None if self.pause is None else str(self.pause))


def standing(session: Session, job: Job) -> Standing:
    """The context of a job."""
    step, tick = workflows.membership(session, job), schedules.of_job(session, job.id)
    schedule = tick[0] if tick else None
    if job.state is State.RUNNING:
        return Standing(step, schedule=schedule, stalled=stalled(session, [job.id]).get(job.id))
    if job.state.is_final:
        return Standing(step, schedule=schedule, reruns=reruns.of(session, job.id))
    is_paused = job.state is State.QUEUED or (job.state is State.SCHEDULED and (job.waits_for or "").startswith("pause:"))
    pause = controls.load(session).pause(job.actor or "", job.queue, now()) if is_paused else None
    return Standing(step, pause, schedule=schedule, because=waiting.why(session, job, _broker(session)))


def _broker(session: Session) -> BrokerFacts:
    found = troubles(session, management.overview())
    stops = [each for each in found if each.stops_publishing]
    return BrokerFacts(
        away=[each.text for each in stops if each.kind is AlertKind.BROKER_AWAY],
        blocked=[each.text for each in stops if each.kind is not AlertKind.BROKER_AWAY],
    )


def standing_now(job: Job) -> Standing:
    """The context of a job, read in a session of its own."""
    with database.read() as session:
        return standing(session, job)
