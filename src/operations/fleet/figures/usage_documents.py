"""Documents of the bill: usage of ended jobs by actor, user, schedule or day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from ....jobs.core.errors import JobsError
from ....jobs.read import usage
from ....jobs.read.spans import instant_of
from ....jobs.read.usage import By, Line
from ....sql.clock import now
from ...format import time_ranges
from ...format.document_fields import Instant
from ...format.instants import write_instant
from ...format.request_values import read_number
from ...format.time_ranges import TimeRange

#: range of a bill by default, and its days at most
DEFAULT, MOST_DAYS = "30d", 400


UsageQuery = TypedDict(
    "UsageQuery",
    {
        "by": Annotated[str, Field(json_schema_extra={"enum": list(By)}, description="actor by default")],
        "range": Annotated[str, Field(json_schema_extra={"enum": [*time_ranges.RANGES]}, description=f"up to now; {DEFAULT} by default")],
        "from": Annotated[str, Field(description="start of another range, a time with time zone")],
        "until": Annotated[str, Field(description="its end; now by default")],
        "days": Annotated[int, Field(ge=1, le=MOST_DAYS, description="another way to say the range: days up to now")],
    },
    total=False,
)


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
    """A bill over whole hours, or whole minutes of at most six hours. Jobs count once they have ended, about a minute later."""

    by: Annotated[str, Field(json_schema_extra={"enum": list(By)})]
    since: Instant
    until: Instant
    usage: list[UsageLine]
    total: UsageLine


def read_by(given: Mapping[str, str]) -> By:
    """Parse how a bill is grouped; raises JobsError with the cure."""
    by = given.get("by") or By.ACTOR
    if by not in list(By):
        raise JobsError(f"by must be one of {', '.join(By)}.", field="by")
    return By(by)


def read_period(given: Mapping[str, str], zone: str) -> TimeRange:
    """Parse the period of a bill; raises JobsError with the cure."""
    if any(given.get(name, "").strip() for name in ("range", "from", "until")):
        return time_ranges.parse(given, now(), zone)
    if not (days := given.get("days")):
        return time_ranges.parse({"range": DEFAULT}, now(), zone)
    begin = now() - timedelta(days=read_number("days", days, most=MOST_DAYS))
    return time_ranges.parse({"from": write_instant(begin)}, now(), zone)


def document(session: Session, by: By, period: TimeRange) -> UsageDocument:
    """The document of a bill."""
    lines = usage.bill(session, period.since, period.until, by)
    _, first, last = usage.spans(period.since, period.until)
    return {
        "by": by.value,
        "since": write_instant(instant_of(first)),
        "until": write_instant(instant_of(last)),
        "usage": [_line(each) for each in lines],
        "total": _line(usage.total(lines)),
    }


def _line(line: Line) -> UsageLine:
    return {
        "name": line.name, "jobs": line.jobs, "attempts": line.attempts, "measured": line.measured, "cpu_seconds": line.cpu_s,
        "run_seconds": line.run_s, "wait_seconds": line.wait_s, "memory_bytes": line.memory_bytes,
    }  # fmt: skip
