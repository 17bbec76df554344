"""Account after a storm: accepted jobs and how each ended, lost and doubled ones, and whether the console's record is true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from src.jobs.core.models import Attempt, Job
from src.jobs.core.states import Outcome, State
from src.sql.database import Database
from tests.harness.effects import effects


@dataclass
class Account:
    """The accepted jobs, by SQL."""

    accepted: int
    states: Counter[str] = field(default_factory=Counter)
    dead_reasons: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)  # accepted, but without a row
    unfinished: list[str] = field(default_factory=list)
    waiting: Counter[str] = field(default_factory=Counter)  # waiting reasons of the unfinished ones
    doubled: list[str] = field(default_factory=list)  # transactional effects that occur twice, or belong to a job that did not succeed
    effectless: list[str] = field(default_factory=list)  # succeeded without its effect
    untrue: list[str] = field(default_factory=list)  # contradictory records
    attempts: int = 0
    lost_attempts: int = 0

    @property
    def lost(self) -> int:
        return len(self.missing) + len(self.unfinished) + len(self.effectless)

    def check(self) -> None:
        """Assert that no job is lost or doubled, and every record is true."""
        assert not self.missing, f"accepted, but without a row: {self.missing[:5]}"
        assert not self.unfinished, f"not final: {self.unfinished[:5]} ({len(self.unfinished)})"
        assert not self.effectless, f"succeeded without its effect: {self.effectless[:5]}"
        assert not self.doubled, f"transactional effect doubled: {self.doubled[:5]}"
        assert not self.untrue, f"the record contradicts itself: {self.untrue[:5]}"

    def lines(self) -> list[str]:
        states = ", ".join(f"{state} {count}" for state, count in self.states.most_common())
        found = [
            f"submitted {self.accepted}: {states}",
            f"lost {self.lost}, doubled {len(self.doubled)}, untrue records {len(self.untrue)}, "
            f"attempts {self.attempts}, of these lost with their worker {self.lost_attempts}",
        ]
        found += [f"unfinished {count}: {what}" for what, count in self.waiting.items()]
        found += [f"dead {count}: {reason}" for reason, count in self.dead_reasons.most_common(5)]
        return found


def account(database: Database, accepted: Collection[str]) -> Account:
    """Read everything about the accepted jobs."""
    found = Account(len(accepted))
    with database.read() as session:
        if not database.is_sqlite:
            # One snapshot, even if jobs run while it is taken.
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        jobs = {job.id: job for job in session.execute(select(Job)).scalars()}
        attempts: dict[int, list[Attempt]] = {}
        for attempt in session.execute(select(Attempt).order_by(Attempt.job_seq, Attempt.number)).scalars():
            attempts.setdefault(attempt.job_seq, []).append(attempt)
        counts = {row[0]: row[1] for row in session.execute(select(effects.c.job_id, func.count()).group_by(effects.c.job_id))}
    for id in accepted:
        job = jobs.get(id)
        if job is None:
            found.missing.append(id)
            continue
        found.states[job.state.value] += 1
        if not job.state.is_final:
            found.unfinished.append(f"{id}: {job.state} {job.reason or ''} attempt {job.attempt}")
            found.waiting["to be published" if job.publish_at else "in RabbitMQ, as SQL says" if job.published_at else "not queued"] += 1
        if job.state is State.DEAD:
            found.dead_reasons[_without_names(job.reason or job.error or "")] += 1
        times = counts.get(id, 0)
        if times > 1 or (times and job.state is not State.SUCCEEDED):
            found.doubled.append(f"{id}: {times} times, {job.state}")
        if job.actor == "leave_a_row" and job.state is State.SUCCEEDED and not times:
            found.effectless.append(id)
        own = attempts.get(job.seq, [])
        found.attempts += len(own)
        found.lost_attempts += sum(attempt.outcome is Outcome.LOST for attempt in own)
        found.untrue += [f"{id}: {problem}" for problem in _contradictions(job, own)]
    return found


def _contradictions(job: Job, attempts: Sequence[Attempt]) -> list[str]:
    problems = []
    numbers = [attempt.number for attempt in attempts]
    # A running job, or one that was never started, has one attempt without a record or none at all.
    expected = job.attempt - 1 if job.state is State.RUNNING else job.attempt
    if numbers != list(range(1, expected + 1)):
        problems.append(f"attempts {numbers}, but the job counts {job.attempt} and is {job.state}")
    if job.state.is_final and job.finished_at is None:
        problems.append("final without finished_at")
    if job.state.is_final and job.publish_at is not None:
        problems.append("final, and yet to be published")
    if job.state is State.SUCCEEDED and (not attempts or attempts[-1].outcome is not Outcome.SUCCEEDED):
        problems.append("succeeded, but its last attempt did not")
    if sum(attempt.outcome is Outcome.SUCCEEDED for attempt in attempts) > 1:
        problems.append("two attempts succeeded")
    if job.state is not State.RUNNING and job.worker_id is not None:
        problems.append("has a worker, but does not run")
    return problems


@dataclass
class Recovery:
    """Seconds after the kill of its worker until a job was taken over, and until its next attempt started."""

    given_away_s: list[float] = field(default_factory=list)
    restarted_s: list[float] = field(default_factory=list)


def recovery(database: Database, killed: dict[int, datetime]) -> Recovery:
    """Return how the jobs of killed workers (pid -> instant) recovered."""
    with database.read() as session:
        attempts = session.execute(select(Attempt)).scalars().all()
    starts = {(attempt.job_seq, attempt.number): attempt.started_at for attempt in attempts}
    found = Recovery()
    for attempt in attempts:
        pid = attempt.worker.rpartition(":")[2]
        at = killed.get(int(pid)) if pid.isdigit() else None
        if attempt.outcome is not Outcome.LOST or at is None:
            continue
        found.given_away_s.append((attempt.finished_at - at).total_seconds())
        again = starts.get((attempt.job_seq, attempt.number + 1))
        if again is not None:
            found.restarted_s.append((again - at).total_seconds())
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all values do not exceed; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _without_names(reason: str) -> str:
    return " ".join("<worker>" if ":" in word and word.rpartition(":")[2].isdigit() else word for word in reason.split())
