"""Ended jobs over time, for charts: read from statistics by span, and from the jobs themselves for what is not counted yet.

`upkeep.ended_counts` writes the statistics. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

from sqlalchemy.orm import Session

from ...sql.statements import STORES, plain, run
from ..core.states import State, listed
from . import histograms
from .histograms import Histogram
from .models import ALL
from .run_times import OF_ATTEMPTS
from .spans import MINUTE_US, SPANS, Ends, divided, minute_of, span_of

_STATES = {state.value: state for state in State}
#: name of an actor that is not known
UNKNOWN = "?"

#: from when a job's newest attempt could have started, to its start; unknown after an operator's retry
WAIT_US = """CASE WHEN due_at > created_at AND due_at <= started_at THEN #(started_at) - #(due_at)
    WHEN attempt = 1 AND started_at >= created_at THEN #(started_at) - #(created_at) END"""
#: duration of its newest attempt, unless that was lost; a job that ended while it waited is looked up
RUN_US = f"""CASE WHEN started_at IS NULL THEN NULL
    WHEN state IN {listed(*OF_ATTEMPTS)} THEN CASE WHEN finished_at >= started_at THEN #(finished_at) - #(started_at) END
    ELSE (SELECT #(ran.finished_at) - #(ran.started_at) FROM attempts AS ran
        WHERE ran.job_seq = jobs.seq AND ran.number = jobs.attempt AND ran.finished_at >= ran.started_at) END"""
_COUNTED = """
    SELECT (minute - :first) / :step, {name}, state, {sums} FROM {table}
    WHERE span = :span AND minute >= :begin AND minute < :end {only} {grouped}
"""
#: sums of a row with its histograms; or the number of jobs of each step
_MEASURED, _NUMBERS = ("jobs, attempts, wait_us, run_us, waits, runs", ""), ("sum(jobs), 0, 0, 0, '', ''", "GROUP BY 1, 2, 3")
_RUNS = plain("SELECT actor, runs FROM job_statistics WHERE span = :span AND minute >= :begin AND minute < :end AND runs <> ''")
#: a week: the longest range of statistics by day that is summed
WEEK = 7 * 1_440
_WEEKS = plain("SELECT min(week), max(week) FROM actor_runs")
_RUNS_OF_WEEKS = plain("SELECT actor, runs FROM actor_runs WHERE week >= :begin AND week < :end AND runs <> ''")
_BUCKETS = """
    SELECT minute / :step AS number, actor, queue, state, count(*), sum(attempt), coalesce(sum(wait), 0), coalesce(sum(run), 0), wait_bucket, run_bucket
    FROM (
        SELECT minute - :first AS minute, actor, queue, state, attempt, wait, run, {wait_bucket} AS wait_bucket, {run_bucket} AS run_bucket FROM (
            SELECT #(finished_at) / {minute_us} AS minute, coalesce(actor, '{unknown}') AS actor, queue, state, attempt, {wait_us} AS wait, {run_us} AS run
            FROM jobs WHERE finished_at >= @(:since) AND finished_at < @(:until) {only}
        ) AS ended
    ) AS measured GROUP BY 1, 2, 3, 4, wait_bucket, run_bucket
"""


@dataclass(slots=True)
class Ended:
    """Jobs that ended in a span, with how long they waited and ran."""

    jobs: dict[State, int] = field(default_factory=dict)
    attempts: int = 0
    wait_us: int = 0
    run_us: int = 0
    waits: Histogram = field(default_factory=histograms.empty)
    runs: Histogram = field(default_factory=histograms.empty)

    def add(self, state: str, jobs: int, attempts: int, wait_us: int, run_us: int) -> None:
        reached = _STATES[state]  # not State(state): charts add thousands of rows
        self.jobs[reached] = self.jobs.get(reached, 0) + int(jobs)
        self.attempts += int(attempts)
        self.wait_us += int(wait_us)
        self.run_us += int(run_us)

    @property
    def dead(self) -> int:
        return self.jobs.get(State.DEAD, 0)

    @property
    def total(self) -> int:
        return sum(self.jobs.values())


#: key of a series: the name of its actor, or "" for all
Series = dict[str, list[Ended]]


def by_step(
    session: Session, since: datetime, until: datetime, step: timedelta, *, may_see: Callable[[str], bool] | None = None
) -> list[dict[State, int]]:
    """Count the jobs that reached each final state in each step of the period, in order. A step begins with a counted span."""
    found = over_time(session, since, until, step, may_see=may_see)
    return [each.jobs for each in found.get("", [])] or [{} for _ in range((until - since) // step)]


def over_time(
    session: Session, since: datetime, until: datetime, step: timedelta, *, by: Literal["", "actor"] = "",
    actor: str | None = None, queue: str | None = None, may_see: Callable[[str], bool] | None = None, durations: bool = True,
) -> Series:  # fmt: skip
    """Return the ended jobs of each step, in order, by name of its actor. `actor`, `queue`: only its jobs. `durations`: not the number of jobs alone."""
    first, last, length = minute_of(since), minute_of(until), step // timedelta(minutes=1)
    only = {name: value for name, value in (("actor", actor), ("queue", queue)) if value is not None}
    series: Series = {}

    def place(number: int, of_actor: str) -> Ended | None:
        if may_see is not None and not may_see(of_actor):
            return None
        name = of_actor if by else ""
        if name not in series:
            series[name] = [Ended() for _ in range((last - first) // length)]
        return series[name][number]

    ends = Ends.read(session)
    counted = min(last, max(first, ends.statistics.counted_to))
    if by or actor is not None or may_see is not None:
        found = _rows(session, ends, first, counted, length, only, durations=durations)
    else:
        found = _totals(session, ends, first, counted, length, queue, durations=durations)
    for number, of_actor, state, *sums, waits, runs in found:
        if into := place(number, of_actor):
            into.add(state, *sums)
            if durations:
                histograms.add(waits, into.waits)
                histograms.add(runs, into.runs)
    for number, of_actor, _, state, *sums, wait, ran in buckets(session, counted, last, origin=first, step=length, **only):
        if into := place(number, of_actor):
            into.add(state, *sums)
            count_buckets(into, sums[0], wait, ran)
    return series


def runs_by_actor(session: Session, since: datetime, until: datetime, series: Series) -> dict[str, Histogram]:
    """Return the run times of each actor over a whole period, of which `series` has the jobs that are not counted yet with their durations."""
    first, last = minute_of(since), minute_of(until)
    found = {actor: histograms.summed(each.runs for each in columns) for actor, columns in series.items()}
    ends = Ends.read(session)
    for actor, runs in _run_times(session, ends, first, min(last, max(first, ends.statistics.counted_to))):
        if actor in found:
            histograms.add(runs, found[actor])
    return found


def _run_times(session: Session, ends: Ends, first: int, counted: int) -> Iterator[tuple[str, str]]:
    """Read the run times of actors: by weeks where they are summed, else by spans."""
    counted = ends.statistics.whole(counted, SPANS[-1])
    oldest, newest = run(session, _WEEKS)[0]
    begin = max(-(-first // WEEK) * WEEK, oldest or 0)
    end = begin if newest is None else min(counted // WEEK * WEEK, newest + WEEK)
    if begin < end:
        yield from run(session, _RUNS_OF_WEEKS, begin=begin, end=end)
    else:
        begin = end = counted
    for part in ((first, begin), (end, counted)):
        for span, low, high in divided(*part):
            yield from run(session, _RUNS, span=span, begin=low, end=high)


def count_buckets(into: Ended, jobs: int, wait: int | None, ran: int | None) -> None:
    """Count jobs of these buckets; None: a duration that is not known."""
    if wait is not None:
        into.waits[wait] += jobs
    if ran is not None:
        into.runs[ran] += jobs


def buckets(session: Session, begin: int, end: int, *, origin: int = 0, step: int = 1, **only: str) -> list[Any]:
    """Count the jobs themselves that ended from one minute to another: by step since `origin`, actor, queue, state and buckets."""
    if begin >= end:
        return []
    return run(session, _buckets(frozenset(only)), first=origin, step=step, since=begin * MINUTE_US, until=end * MINUTE_US, **only)


@cache
def _buckets(only: frozenset[str]) -> dict[str, Any]:
    def written(store: str) -> str:
        wait, ran = (histograms.bucket_sql(name, store) for name in ("wait", "run"))
        return _BUCKETS.format(
            wait_us=WAIT_US, run_us=RUN_US, wait_bucket=wait, run_bucket=ran, minute_us=MINUTE_US, unknown=UNKNOWN, only=_only(only)
        )

    return {store: plain(written(store))[store] for store in STORES}


def _rows(session: Session, ends: Ends, first: int, counted: int, length: int, only: dict[str, str], *, durations: bool) -> list[Any]:
    """Read the statistics of a period by actor. `durations`: row by row with histograms; otherwise the number of jobs of each step."""
    found, longest = [], span_of(length)
    for part in divided(first, ends.statistics.whole(counted, longest), longest):
        found += _read(session, "job_statistics", part, first, length, only, durations=durations)
    return found


def _totals(session: Session, ends: Ends, first: int, counted: int, length: int, queue: str | None, *, durations: bool) -> list[Any]:
    """Read the totals of all actors, of one queue or of all, and the rows that they sum where they are not written yet."""
    found: list[Any] = []
    only = {} if queue is None else {"queue": queue}
    written, longest = ends.totals.counted_to, span_of(length)
    if written >= counted:
        counted = written = ends.totals.whole(counted, longest)
    for span, begin, end in divided(first, counted, longest):
        oldest = ends.oldest_totals[span]
        low = end if oldest is None else min(end, max(begin, oldest))
        high = max(low, min(end, written // span * span))
        for part in ((begin, low), (high, end)):
            found += _read(session, "job_statistics", (span, *part), first, length, only, durations=durations)
        found += _read(session, "job_totals", (span, low, high), first, length, {"queue": queue or ALL}, durations=durations)
    return found


def _read(
    session: Session, table: str, part: tuple[int, int, int], first: int, length: int, only: dict[str, str], *, durations: bool
) -> list[Any]:
    span, begin, end = part
    if begin >= end:
        return []
    return run(session, _counted(table, frozenset(only), durations), first=first, step=length, span=span, begin=begin, end=end, **only)


@cache
def _counted(table: str, only: frozenset[str], durations: bool) -> dict[str, Any]:
    name, (sums, grouped) = "actor" if table == "job_statistics" else "queue", _MEASURED if durations else _NUMBERS
    return plain(_COUNTED.format(table=table, name=name, sums=sums, only=_only(only), grouped=grouped))


def _only(names: Iterable[str]) -> str:
    return "".join(f" AND {name} = :{name}" for name in sorted(names))
