"""Usage of ended jobs over a period, summed by actor, user, schedule or day: the bill. Read from sums by the hour. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from ...sql.clock import now
from ..core.states import Source
from .spans import instant_of, minute_of
from .usage_models import Usage

#: lengths of the summed spans, in minutes
SHORT, LONG = 1, 60
#: how long minutes are kept
SHORT_KEPT = timedelta(days=2)
#: longest period that is summed by the minute
BY_MINUTE = timedelta(hours=6)
#: before a schedule's name in the submitter of its jobs
BY_SCHEDULE = "schedule "
#: a tick that a user has started is the user's
_OF_SCHEDULE = and_(Usage.source == Source.SCHEDULE, Usage.submitted_by.startswith(BY_SCHEDULE))
#: "": no user, as of a schedule's notifications
_USER = case((and_(Usage.source == Source.CALLBACK, Usage.submitted_by.startswith(BY_SCHEDULE)), ""), else_=Usage.submitted_by)
#: lines of a bill
MOST = 1_000


class By(StrEnum):
    """Ways to group a bill."""

    ACTOR = "actor"
    USER = "user"
    SCHEDULE = "schedule"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Runs:
    """Ended jobs of a step, and the seconds that their attempts ran."""

    jobs: int = 0
    run_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill; `name` is an actor, a user, a schedule or a day."""

    name: str
    jobs: int
    attempts: int
    measured: int
    cpu_s: float
    run_s: float
    wait_s: float
    memory_bytes: int | None


def bill(session: Session, since: datetime, until: datetime, by: By) -> list[Line]:
    """Sum the spans of a period, most CPU time first, days (UTC) in order. Row filters apply."""
    span, first, last = spans(since, until)
    key: Any = {By.ACTOR: Usage.actor, By.DAY: Usage.minute // 1440, By.USER: _USER}.get(by, Usage.submitted_by)
    sums = [func.sum(each) for each in (Usage.jobs, Usage.attempts, Usage.measured, Usage.cpu_us, Usage.run_us, Usage.wait_us)]
    statement = select(key, *sums, func.max(Usage.memory_bytes)).where(Usage.span == span, Usage.minute >= first, Usage.minute < last)
    if by is By.SCHEDULE:
        statement = statement.where(_OF_SCHEDULE)
    elif by is By.USER:
        statement = statement.where(~_OF_SCHEDULE)
    rows = session.execute(statement.group_by(key).order_by(sums[3].desc(), key).limit(MOST)).all()
    lines = list(_lines(rows, by))
    return sorted(lines, key=lambda line: line.name) if by is By.DAY else lines


def _lines(rows: Sequence[Any], by: By) -> Iterator[Line]:
    for name, jobs, attempts, measured, cpu, run, wait, memory in rows:
        if by is By.DAY:
            name = f"{instant_of(int(name) * 1440):%Y-%m-%d}"
        elif by is By.SCHEDULE:
            name = name.removeprefix(BY_SCHEDULE)
        yield Line(
            name or "unknown", int(jobs), int(attempts), int(measured), int(cpu) / 1e6, int(run) / 1e6, int(wait) / 1e6, None if memory is None else int(memory)
        )  # fmt: skip


def by_schedule(session: Session, since: datetime, until: datetime, step: timedelta) -> dict[str, list[Runs]]:
    """Count the ended jobs of each schedule by step; by whole hours where minutes are no longer kept. Row filters apply."""
    first, last, length = minute_of(since), minute_of(until), step // timedelta(minutes=1)
    span = SHORT if length % LONG and since > now() - SHORT_KEPT else LONG
    number: Any = (Usage.minute - first) // length
    statement = (
        select(Usage.submitted_by, number, func.sum(Usage.jobs), func.sum(Usage.run_us))
        .where(Usage.span == span, Usage.minute >= first, Usage.minute < last, _OF_SCHEDULE)
        .group_by(Usage.submitted_by, number)
    )
    found: dict[str, list[Runs]] = {}
    for name, at, jobs, run_us in session.execute(statement):
        steps = found.setdefault(name.removeprefix(BY_SCHEDULE), [Runs()] * ((last - first) // length))
        steps[int(at)] = Runs(int(jobs), int(run_us) / 1e6)
    return found


def total(lines: list[Line]) -> Line:
    """Add up a bill."""
    return Line(
        "total",
        sum(line.jobs for line in lines),
        sum(line.attempts for line in lines),
        sum(line.measured for line in lines),
        sum(line.cpu_s for line in lines),
        sum(line.run_s for line in lines),
        sum(line.wait_s for line in lines),
        max((line.memory_bytes for line in lines if line.memory_bytes is not None), default=None),
    )


def spans(since: datetime, until: datetime) -> tuple[int, int, int]:
    """Return the length of the spans that cover a period, in minutes, and their first and last minute: minutes of a short new one, else hours."""
    span = SHORT if until - since <= BY_MINUTE and since > now() - SHORT_KEPT else LONG
    return span, minute_of(since) // span * span, minute_of(until)
