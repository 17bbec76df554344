"""Figures of the overview: counts, throughput chart and problems that need attention."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup
from sqlalchemy.orm import Session

from ....jobs import State, search
from ....jobs.alerts import alerts
from ....jobs.failures import groups
from ....jobs.leases import deploys, workers
from ....jobs.read import ended
from ....jobs.read.queries import QueueCounts
from ....jobs.search import Tally
from ....operations.fleet.fleet_health import LATE
from ....operations.format.instants import write_instant
from ....operations.format.time_ranges import TimeRange
from ....operations.jobs.rows import Alert, FailureGroup, Job, Worker
from ....operations.people import permissions
from ....quantities import number, span
from ....reports import charts
from ....reports.document import Chart, Series, Tone
from ....schedules.rows import queries as schedules
from ....schedules.rows.models import Schedule
from ....sql.clock import now
from ....sql.database import get_database
from ...http import cookies

#: cache lifetime of the chart in seconds: its query counts every job that finished in the last minutes
FRESH_S = 15.0
#: rows of each list
ROWS = 5
#: maximum alerts listed
MOST_ALERTS = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One count of the overview, with the query that lists its jobs."""

    label: str
    value: str
    query: str
    note: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """Problems that need attention; empty: all clear."""

    alerts: list[Alert] = field(default_factory=list)
    groups: list[FailureGroup] = field(default_factory=list)
    stalled: list[Job] = field(default_factory=list)
    late: list[tuple[Schedule, timedelta]] = field(default_factory=list)
    unserved: list[str] = field(default_factory=list)  # queues with jobs and no consumer
    jobs: list[Job] = field(default_factory=list)  # dead and held

    @property
    def nothing(self) -> bool:
        return not (self.alerts or self.groups or self.stalled or self.late or self.unserved or self.jobs)


@dataclass(frozen=True, slots=True)
class Throughput:
    """Throughput chart and success rate."""

    chart: Markup
    succeeded: int
    ended: int
    deploys: list[tuple[datetime, str]]
    words: str


def needs(session: Session, queues: list[QueueCounts], alive: list[Worker]) -> Needs:
    """Collect the problems that need attention."""
    present = now()
    served = workers.served(alive)
    unserved = [each.queue for each in queues if each.queued and each.queue not in served]
    due = [each for each in schedules.every(session) if each.due_at is not None and each.due_at < present - LATE and each.paused_at is None]
    return Needs(
        alerts=alerts.unmuted(session)[:MOST_ALERTS],
        groups=[group for group in groups.page(session, limit=ROWS, may_see=permissions.sight()).groups if group.recovered_at is None],
        stalled=search.find(session, search.parse("is:stalled"), limit=ROWS).jobs,
        late=[(each, present - each.due_at) for each in due if each.due_at is not None][:ROWS],
        unserved=unserved,
        jobs=search.find(session, search.parse(f"state:{State.DEAD},{State.HELD} created:7d"), limit=ROWS).jobs,
    )


def five(tally: Tally, queues: list[QueueCounts], dead_today: int, passed: Throughput, period: TimeRange) -> list[Figure]:
    """The five counts: running, queued with the oldest age, retrying, dead, and the success rate."""

    def counted(state: State, note: str) -> Figure:
        shown = number(tally.states[state]) + ("" if state in tally.whole or not tally.states[state] else "+")
        return Figure(state.value, shown, f"state:{state}", note, state.value)

    done = State.SUCCEEDED.value

    oldest = min((each.oldest_queued_at for each in queues if each.oldest_queued_at is not None), default=None)
    rate = f"{100 * passed.succeeded / passed.ended:.1f} %".replace("100.0", "100") if passed.ended else "–"
    return [
        counted(State.RUNNING, ""),
        counted(State.QUEUED, "" if oldest is None else f"oldest {span(now() - oldest)}"),
        counted(State.RETRYING, ""),
        counted(State.DEAD, f"{number(dead_today)} in 24 h"),
        Figure(done, rate, f"state:{done} finished:{search_span(period)}", f"success rate, {period.label}", done),
    ]


_kept: dict[object, tuple[float, Any]] = {}
_lock = threading.Lock()


def search_span(period: TimeRange) -> str:
    """Write a range as a value of the jobs list's query."""
    return period.name or f"{write_instant(period.since)}..{write_instant(period.until)}"


def throughput(session: Session, period: TimeRange) -> Throughput:
    """Throughput of the period, cached for a few seconds per set of visible actors."""
    key, present = (str(get_database().url), period.name or (period.since, period.until), permissions.in_force(), cookies.zone().key), time.monotonic()
    with _lock:
        for each in [each for each, (kept_at, _) in _kept.items() if present - kept_at > FRESH_S]:
            del _kept[each]
        if key not in _kept:
            _kept[key] = (present, _throughput(session, period))
        found: Throughput = _kept[key][1]
        return found


def _throughput(session: Session, period: TimeRange) -> Throughput:
    steps = ended.by_step(session, period.first, period.last, period.step, may_see=permissions.sight())
    zone = cookies.zone()
    long = period.until - period.since > timedelta(days=1)
    names = [at.astimezone(zone).strftime("%d %b" if long else "%H:%M") for at in period.columns]
    succeeded = tuple(each.get(State.SUCCEEDED, 0) for each in steps)
    failed = tuple(each.get(State.DEAD, 0) for each in steps)
    marks = deploys.since(session, period.first)
    chart = Chart(
        title=f"Finished jobs, {period.label}", labels=tuple(names), nothing="No finished jobs.",
        series=(Series(name=State.SUCCEEDED, tone=Tone.GOOD, values=succeeded), Series(name=State.DEAD, tone=Tone.WORSE, values=failed)),
    )  # fmt: skip
    at = [
        ((instant - period.first) / (period.last - period.first), f"{version} deployed {instant.astimezone(zone):%d %b %H:%M}")
        for instant, version in marks
        if instant < period.last
    ]
    drawn = charts.svg(chart, charts.ON_PAGE, id=f"throughput-{period.name or 'custom'}", marks=at)
    return Throughput(Markup(drawn), sum(succeeded), sum(succeeded) + sum(failed), marks, charts.in_words(chart))
