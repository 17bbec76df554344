"""Forecast of one job: its place in line, its start and its end, as far as history allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.columns import to_microseconds
from ..core.models import Job
from ..core.states import FINAL, State
from ..leases import workers
from ..limits import overrides
from ..limits.policies import Policy
from . import records
from .calibration import Judged, calibrate
from .history import History
from .limits_of import Limits
from .lines import Fleet, Lines, Standing, busy_since
from .model import LEAST, Prediction, predict
from .records import HitRate

#: newest jobs among which samples are taken, samples of one turn, and of one actor
NEWEST, SAMPLES, OF_ACTOR = 200, 10, 4
#: of an actor without judged forecasts
NEVER = HitRate(0, 0)


@dataclass(frozen=True, slots=True)
class JobForecast:
    """Forecast of a job. `prediction`: seconds from the present; None: `unknown` says why."""

    standing: Standing
    prediction: Prediction | None = None
    unknown: str | None = None
    hits: HitRate = NEVER


class Forecaster:
    """Forecasts for one session, at one instant. `policies`: the limits that actors declare."""

    def __init__(self, session: Session, policies: Mapping[str, Policy]) -> None:
        self.session, self.present = session, now()
        self.history = History(session, to_microseconds(self.present))
        self.limits = Limits(policies, overrides.load(session))
        self.fleet = Fleet.of(workers.fleet(session))
        self._lines = Lines(session, self.history, self.limits, self.fleet, self.present)
        self._judged: dict[str, Sequence[Judged]] = {}

    def of(self, job: Job) -> JobForecast:
        """Forecast a job that has not ended."""
        standing, raw, unknown = self.raw(job)
        hits = records.hit_rate(self.session, job.actor or "")
        return JobForecast(standing, None if raw is None else self.calibrated(job, raw), unknown, hits)

    def busy_since(self, queue: str) -> int | None:
        """Return since when all threads of a queue have had work, in microseconds."""
        return busy_since(self.session, queue)

    def raw(self, job: Job) -> tuple[Standing, Prediction | None, str | None]:
        """Predict a job without calibration; or return why nothing is known."""
        standing = self._lines.standing(job)
        if standing.unknown is not None:
            return standing, None, standing.unknown
        runs = self.history.runs(job.actor or "")
        if runs is None:
            return standing, None, f"fewer than {LEAST} recent jobs of {job.actor or 'its actor'} are known"
        return standing, predict(standing.situation, runs), None

    def calibrated(self, job: Job, raw: Prediction) -> Prediction:
        """Scale a prediction by how the newest ones of its actor have turned out."""
        actor = job.actor or ""
        if actor not in self._judged:
            self._judged[actor] = records.judged(self.session, actor)
        return calibrate(raw, self._judged[actor])


def sample(session: Session, policies: Mapping[str, Policy]) -> int:
    """Judge forecasts whose jobs have ended, and record those of some of the newest jobs; return how many were recorded."""
    while records.judge(session):
        pass
    newest = select(Job).order_by(Job.seq.desc()).limit(NEWEST)
    waiting = [job for job in session.execute(newest).scalars() if job.state not in FINAL and job.state is not State.HELD]
    if not waiting:
        return 0
    forecaster, taken = Forecaster(session, policies), Counter[str]()
    for job in waiting:
        actor = job.actor or ""
        if taken.total() >= SAMPLES or taken[actor] >= OF_ACTOR:
            continue
        _, raw, _ = forecaster.raw(job)
        taken[actor] += 1
        if raw is not None:
            records.record(session, job, forecaster.present, raw, forecaster.calibrated(job, raw))
    return taken.total()
