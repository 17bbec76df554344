"""Statistics over a period, for reports: outcomes, durations, waiting times, failures. Writes nothing.

A period is [since, until) over `finished_at`, which has an index. The database counts durations into buckets, so that a
day of a million jobs is a few hundred rows here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...sql.columns import to_microseconds
from ...sql.statements import plain, run
from ..core.models import FailureGroup
from ..core.states import Outcome, State

#: upper bounds of the duration buckets, in microseconds: 1, 2, 5, 10 … ms up to about 5 days
BUCKETS = tuple(int(factor * 1000 * 10**power) for power in range(9) for factor in (1, 2, 5))
_BUCKET = "CASE " + " ".join(f"WHEN us <= {end} THEN {number}" for number, end in enumerate(BUCKETS)) + f" ELSE {len(BUCKETS)} END"


@dataclass(frozen=True, slots=True)
class Spread:
    """Distribution of durations, in seconds; quantiles are interpolated within a bucket, the maximum is exact."""

    count: int
    median: float
    p95: float
    longest: float


@dataclass(frozen=True, slots=True)
class SlowJob:
    """One of the longest attempts."""

    id: str
    actor: str
    seconds: float
    state: State


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Frequency of one kind of failure."""

    fingerprint: str
    title: str
    place: str
    message: str
    count: int
    jobs: int
    sample: str | None  # id of one of its jobs


_ENDED = "jobs.finished_at >= @(:since) AND jobs.finished_at < @(:until)"
_BY_ACTOR = plain(f"SELECT coalesce(actor, '?'), state, count(*) FROM jobs WHERE {_ENDED} GROUP BY actor, state")
_HOUR_US = 3_600_000_000
_BY_HOUR = plain(
    f"SELECT CAST((#(jobs.finished_at) - :since) / {_HOUR_US} AS bigint) AS step, state, count(*) FROM jobs WHERE {_ENDED} GROUP BY step, state"
)
_RUNS = f"""
    SELECT actor, {_BUCKET} AS bucket, count(*), max(us) FROM (
        SELECT jobs.actor AS actor, #(attempts.finished_at) - #(attempts.started_at) AS us FROM jobs JOIN attempts ON attempts.job_seq = jobs.seq
        WHERE {{ended}} AND jobs.actor IS NOT NULL AND attempts.outcome IN ('{Outcome.SUCCEEDED}', '{Outcome.FAILED}')
    ) AS runs GROUP BY actor, bucket
"""
# Waiting time until the first attempt, from the instant at which it could have started.
_WAITS = f"""
    SELECT queue, {_BUCKET} AS bucket, count(*), max(us) FROM (
        SELECT jobs.queue AS queue, #(attempts.started_at) - CASE WHEN jobs.due_at IS NOT NULL AND jobs.due_at > jobs.created_at
            AND jobs.due_at <= attempts.started_at THEN #(jobs.due_at) ELSE #(jobs.created_at) END AS us
        FROM jobs JOIN attempts ON attempts.job_seq = jobs.seq AND attempts.number = 1 WHERE {{ended}}
    ) AS waits GROUP BY queue, bucket
"""
_SLOWEST = plain(f"""
    SELECT jobs.id, jobs.actor, #(attempts.finished_at) - #(attempts.started_at) AS us, jobs.state FROM jobs JOIN attempts ON attempts.job_seq = jobs.seq
    WHERE {_ENDED} AND jobs.actor IS NOT NULL AND attempts.outcome IN ('{Outcome.SUCCEEDED}', '{Outcome.FAILED}') ORDER BY us DESC LIMIT :limit
""")
_FAILURES = plain("""
    SELECT attempts.fingerprint, count(*), count(DISTINCT job_seq), max(job_seq) FROM attempts
    WHERE attempts.fingerprint IS NOT NULL AND attempts.finished_at >= @(:since) AND attempts.finished_at < @(:until)
    GROUP BY attempts.fingerprint ORDER BY count(*) DESC LIMIT :limit
""")
_IDS = plain("SELECT seq, id FROM jobs WHERE seq = :seq")


def by_actor(
    session: Session, since: datetime, until: datetime, *, may_see: Callable[[str], bool] | None = None
) -> dict[str, dict[State, int]]:
    """Count the jobs of each actor that reached each final state. `may_see`: leave out other actors."""
    found: dict[str, dict[State, int]] = {}
    for actor, state, count in run(session, _BY_ACTOR, **_period(since, until)):
        if may_see is None or may_see(actor):
            found.setdefault(actor, {})[State(state)] = count
    return found


def by_hour(session: Session, since: datetime, until: datetime) -> list[dict[State, int]]:
    """Count the jobs that reached each final state in each hour of the period, in order."""
    period = _period(since, until)
    hours: list[dict[State, int]] = [{} for _ in range(-((period["since"] - period["until"]) // _HOUR_US))]
    for number, state, count in run(session, _BY_HOUR, **period):
        hours[number][State(state)] = count
    return hours


def runs(session: Session, since: datetime, until: datetime, *, actors: Collection[str] | None = None) -> dict[str, Spread]:
    """Durations of attempts of ended jobs, by actor. `actors`: only these; None: all."""
    return dict(_spreads(_run_for(session, _RUNS, actors, since, until)))


def waits(session: Session, since: datetime, until: datetime, *, actors: Collection[str] | None = None) -> dict[str, Spread]:
    """Waiting times before the first attempt of ended jobs, by queue. `actors`: only these; None: all."""
    return dict(_spreads(_run_for(session, _WAITS, actors, since, until)))


def slowest(session: Session, since: datetime, until: datetime, *, limit: int = 10) -> list[SlowJob]:
    """Return the longest attempts of jobs that ended."""
    rows = run(session, _SLOWEST, **_period(since, until), limit=limit)
    return [SlowJob(id, actor, us / 1_000_000, State(state)) for id, actor, us, state in rows]


def failures(session: Session, since: datetime, until: datetime, *, limit: int = 20) -> list[FailureCount]:
    """Return the kinds of failures of the period, most frequent first."""
    found = []
    for fingerprint, count, jobs, seq in run(session, _FAILURES, **_period(since, until), limit=limit):
        group = session.execute(select(FailureGroup).where(FailureGroup.fingerprint == fingerprint)).scalars().first()
        sample = run(session, _IDS, seq=seq)
        title, place, message = (group.kind, group.place, group.message) if group else ("not yet counted", "", "")
        found.append(FailureCount(fingerprint, title, place, message, count, jobs, sample[0].id if sample else None))
    return found


def _run_for(
    session: Session, statement: str, actors: Collection[str] | None, since: datetime, until: datetime, **parameters: Any
) -> list[Any]:
    """Run a statement over the jobs that ended (`{ended}`), limited to these actors."""
    names = {f"actor_{number}": name for number, name in enumerate(actors or ())}
    among = "true" if actors is None else f"jobs.actor IN ({', '.join(f':{name}' for name in names)})" if names else "false"
    return run(session, plain(statement.format(ended=f"{_ENDED} AND {among}")), **_period(since, until), **parameters, **names)


def _period(since: datetime, until: datetime) -> dict[str, Any]:
    return {"since": to_microseconds(since), "until": to_microseconds(until)}


def _spreads(rows: list[Any]) -> Iterator[tuple[str, Spread]]:
    by_name: dict[str, list[tuple[int, int, int]]] = {}
    for name, bucket, count, longest in rows:
        by_name.setdefault(name, []).append((bucket, count, longest))
    for name, buckets in sorted(by_name.items()):
        buckets.sort()
        longest_us = max(longest for _, _, longest in buckets)
        total = sum(count for _, count, _ in buckets)
        yield (
            name,
            Spread(total, _quantile(buckets, total, 0.5, longest_us), _quantile(buckets, total, 0.95, longest_us), longest_us / 1_000_000),
        )


def _quantile(buckets: list[tuple[int, int, int]], total: int, part: float, longest_us: int) -> float:
    """Estimate a quantile in seconds, by linear interpolation within its bucket."""
    wanted, passed = part * total, 0
    for bucket, count, longest in buckets:
        if passed + count >= wanted:
            low = BUCKETS[bucket - 1] if bucket else 0
            high = min(BUCKETS[bucket] if bucket < len(BUCKETS) else longest_us, longest)
            return max(0.0, (low + (max(high, low) - low) * (wanted - passed) / count) / 1_000_000)
        passed += count
    return longest_us / 1_000_000
