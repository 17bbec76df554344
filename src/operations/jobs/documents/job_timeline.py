"""Timeline of a job: its waits, attempts, back-offs and pauses as periods, and the pace of a running attempt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import Field
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from ....audit import queries as audit_queries
from ....jobs.core.models import Job
from ....jobs.core.states import Outcome, State
from ....jobs.limits import overrides
from ....sql.clock import now
from ...format.document_fields import Instant
from ...format.instants import write_instant

#: pauses and resumes read for each target
MOST_PAUSES = 20
#: a job that never waited longer has no pauses to show
NOTICED = timedelta(seconds=2)
#: elapsed time from which a rate is shown
STEADY = timedelta(seconds=1)
#: length of a period that has just begun
LEAST = timedelta(microseconds=1)


class Wait(StrEnum):
    """Kind of a period in which no attempt runs."""

    SCHEDULED = State.SCHEDULED.value  # until its due time
    QUEUED = State.QUEUED.value
    HELD = State.HELD.value
    BACK_OFF = "back-off"  # after a failed attempt
    PAUSED = "paused"
    DUE = "due"  # still to come: until its due time


class Period(NamedTuple):
    """One period. `attempt`: the attempt that ran, or that it preceded. `is_open`: it still goes on."""

    kind: str  # a Wait, the outcome of an attempt, or running
    attempt: int
    begin: datetime
    end: datetime
    is_open: bool = False

    @property
    def length(self) -> timedelta:
        return self.end - self.begin

    @property
    def is_wait(self) -> bool:
        return self.kind in tuple(Wait)


@dataclass(frozen=True, slots=True)
class Pace:
    """Pace of a running attempt; without progress only `elapsed`."""

    elapsed: timedelta
    per_second: float | None = None
    left: timedelta | None = None


class PeriodDocument(TypedDict):
    """A period of a job's life."""

    kind: Annotated[
        str, Field(description="scheduled, queued, held, back-off, paused, due (still to come), running, or an attempt's outcome")
    ]
    attempt: Annotated[int, Field(description="number of the attempt that ran, or that it preceded")]
    begin: Instant
    end: Annotated[Instant, Field(description="of a period that goes on: now")]
    seconds: float
    open: Annotated[bool, Field(description="it still goes on")]


class PaceDocument(TypedDict):
    """Pace of the running attempt."""

    elapsed_s: float
    per_second: Annotated[float | None, Field(description="progress per second; null: unknown")]
    left_s: Annotated[float | None, Field(description="estimated time left, if progress goes on like this; null: unknown")]


class TimelineDocument(TypedDict):
    """Timeline of a job's newest attempts, oldest period first."""

    periods: list[PeriodDocument]
    pace: Annotated[PaceDocument | None, Field(description="of a running job")]


class Pauses(NamedTuple):
    """An interval in which starts were paused; `end` None: still."""

    begin: datetime
    end: datetime | None


def timeline(session: Session, job: Job) -> list[Period]:
    """Return the periods of a job's newest attempts, in order."""
    present = now()
    found = periods(job, present)
    waits = [each for each in found if each.kind == Wait.QUEUED and each.length > NOTICED]
    return list(_with_pauses(found, _pauses(session, job, waits[0].begin), present)) if waits else found


def periods(job: Job, present: datetime) -> list[Period]:
    """Return the periods of a job's newest attempts, without pauses, which its row does not record."""
    found: list[Period] = []
    since, before = job.created_at, None
    if job.attempts and job.attempts[0].number > 1:
        since = job.attempts[0].started_at  # earlier ones were not read: the wait before this one is unknown
    runs = [(each.number, each.outcome.value, each.started_at, each.finished_at) for each in job.attempts]
    is_running = job.state is State.RUNNING and job.started_at is not None
    if is_running and job.started_at is not None:
        runs.append((job.attempt, State.RUNNING.value, job.started_at, present))
    for number, outcome, started, finished in runs:
        is_last = number == job.attempt
        found += _wait(number, since, started, before, job.due_at if is_last else None)
        found.append(Period(outcome, number, started, max(started, finished), is_running and is_last))
        since, before = found[-1].end, outcome
    if job.state.is_waiting:
        found += _until_now(job, since, present, before)
    elif job.finished_at is not None and not is_running:
        found += _wait(job.attempt + 1, since, job.finished_at, before, None)
    return found


def _wait(attempt: int, since: datetime, until: datetime, before: str | None, due: datetime | None) -> Iterator[Period]:
    """Yield the wait of one attempt: for its due time, then in its queue."""
    if until <= since:
        return
    first = {None: Wait.SCHEDULED, Outcome.FAILED.value: Wait.BACK_OFF, Outcome.HELD.value: Wait.HELD}.get(before, Wait.QUEUED)
    turn = until if first in (Wait.BACK_OFF, Wait.HELD) else since
    if due is not None and since < due < until:
        turn = due
    if turn > since:
        yield Period(first.value, attempt, since, turn)
    if until > turn:
        yield Period(Wait.QUEUED.value, attempt, turn, until)


def _until_now(job: Job, since: datetime, present: datetime, before: str | None) -> Iterator[Period]:
    """Yield the wait that goes on, and the time until it is due."""
    number = job.attempt + 1
    if job.state is State.HELD:
        yield Period(Wait.HELD.value, number, since, present, True)
    elif job.due_at is not None and job.due_at > present:
        kind = Wait.BACK_OFF if before == Outcome.FAILED.value else Wait.SCHEDULED
        yield Period(kind.value, number, since, present, True)
        yield Period(Wait.DUE.value, number, present, job.due_at)
    elif job.state is State.QUEUED:
        *earlier, last = _wait(number, since, max(present, since + LEAST), before, job.due_at or job.published_at)
        yield from (*earlier, last._replace(is_open=True))
    else:
        yield Period(Wait.SCHEDULED.value, number, since, present, True)


def _pauses(session: Session, job: Job, since: datetime) -> list[Pauses]:
    """Return the pauses of the job's actor, queue and of everything since an instant, from the audit log and those in force."""
    found: list[Pauses] = []
    for scope, name in (("all", ""), ("queue", job.queue), ("actor", job.actor or "")):
        entries = audit_queries.of(session, "target", overrides.target(scope, name), limit=MOST_PAUSES)
        begun: datetime | None = None
        for entry in reversed(entries):
            if entry.action == "target.pause":
                begun = begun or entry.at
            elif entry.action == "target.resume" and begun is not None:
                found.append(Pauses(begun, entry.at))
                begun = None
    in_force = {("all", ""), ("queue", job.queue), ("actor", job.actor or "")}
    for pause in overrides.load(session).pauses(now()):
        if (pause.scope, pause.name) in in_force and pause.set_at is not None:
            found.append(Pauses(pause.set_at, None))
    return sorted((each for each in found if each.end is None or each.end > since), key=lambda each: each.begin)


def _with_pauses(found: Sequence[Period], pauses: Sequence[Pauses], present: datetime) -> Iterator[Period]:
    """Yield the periods, with those in the queue divided where starts were paused."""
    for each in found:
        if each.kind not in (Wait.QUEUED, Wait.SCHEDULED):
            yield each
            continue
        at = each.begin
        for pause in pauses:
            begin, end = max(pause.begin, at), min(pause.end or present, each.end)
            if begin >= end:
                continue
            if begin > at:
                yield each._replace(begin=at, end=begin, is_open=False)
            yield each._replace(kind=Wait.PAUSED.value, begin=begin, end=end, is_open=each.is_open and end == each.end)
            at = end
        if at < each.end:
            yield each._replace(begin=at)


def pace(job: Job, present: datetime) -> Pace | None:
    """Return the pace of a running job; None: it does not run."""
    if job.state is not State.RUNNING or job.started_at is None:
        return None
    found = Pace(max(present - job.started_at, timedelta()))
    if not job.progress_done or job.progress_done < 0 or found.elapsed < STEADY:
        return found
    rate = job.progress_done / found.elapsed.total_seconds()
    open = (job.progress_total or 0) - job.progress_done
    seconds = min(open / rate, 1e9) if open > 0 else None
    return replace(found, per_second=rate, left=None if seconds is None else timedelta(seconds=seconds))


def document(session: Session, job: Job) -> TimelineDocument:
    """Return the timeline as a document."""
    running = pace(job, now())
    return {
        "periods": [
            {
                "kind": each.kind, "attempt": each.attempt, "begin": write_instant(each.begin), "end": write_instant(each.end),
                "seconds": each.length.total_seconds(), "open": each.is_open,
            }
            for each in timeline(session, job)
        ],
        "pace": None if running is None else {
            "elapsed_s": running.elapsed.total_seconds(), "per_second": running.per_second,
            "left_s": None if running.left is None else running.left.total_seconds(),
        },
    }  # fmt: skip
