"""Documents of the bill: usage of ended jobs by actor, user, schedule or day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from ...jobs.core.errors import JobsError
from ...jobs.read import usage
from ...jobs.read.usage import By, Line
from ...sql.clock import now
from ..format.document_fields import Instant
from ..format.instants import write_instant

#: days of a bill: by default, and at most
DAYS, MOST_DAYS = 30, 400


class UsageQuery(TypedDict, total=False):
    """Query parameters of a bill."""

    by: Annotated[str, Field(json_schema_extra={"enum": list(By)}, description="actor by default")]
    days: Annotated[int, Field(ge=1, le=MOST_DAYS, description=f"up to now; {DAYS} by default")]


class UsageLine(TypedDict):
    """Usage of the jobs of one actor, user, schedule or day."""

    name: str
    jobs: int
    attempts: int
    measured: Annotated[int, Field(description="attempts whose CPU time is known: of neither coroutines nor lost workers")]
    cpu_seconds: float
    run_seconds: float
    wait_seconds: Annotated[float, Field(description="until the first attempt, since it could have started")]
    memory_bytes: Annotated[int | None, Field(description="greatest peak of an isolated attempt; null: not known")]


class UsageDocument(TypedDict):
    """A bill over whole hours. Jobs count once they have ended, about a minute later."""

    by: Annotated[str, Field(json_schema_extra={"enum": list(By)})]
    since: Instant
    until: Instant
    usage: list[UsageLine]
    total: UsageLine


@dataclass(frozen=True, slots=True)
class Wanted:
    """A requested bill."""

    by: By = By.ACTOR
    days: int = DAYS


def read(given: Mapping[str, str]) -> Wanted:
    """Parse query parameters; raises JobsError with the cure."""
    by, days = given.get("by") or By.ACTOR, given.get("days") or str(DAYS)
    if by not in list(By):
        raise JobsError(f"by must be one of {', '.join(By)}.", field="by")
    if not days.isdecimal() or not days.isascii() or not 1 <= int(days[:9]) <= MOST_DAYS:
        raise JobsError(f"days must be between 1 and {MOST_DAYS}.", field="days")
    return Wanted(By(by), int(days))


def document(session: Session, wanted: Wanted) -> UsageDocument:
    """The document of a bill."""
    since, until = usage.period(wanted.days, now())
    lines = usage.bill(session, since, until, wanted.by)
    return {
        "by": wanted.by.value,
        "since": write_instant(since),
        "until": write_instant(now()),
        "usage": [_line(each) for each in lines],
        "total": _line(usage.total(lines)),
    }


def _line(line: Line) -> UsageLine:
    return {
        "name": line.name, "jobs": line.jobs, "attempts": line.attempts, "measured": line.measured, "cpu_seconds": line.cpu_s,
        "run_seconds": line.run_s, "wait_seconds": line.wait_s, "memory_bytes": line.memory_bytes,
    }  # fmt: skip
