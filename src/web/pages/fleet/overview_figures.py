"""Figures of the overview: counts, what has changed, and problems that need attention."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypedDict

from sqlalchemy.orm import Session

from ....formats.quantities import number, span
from ....jobs import State, search
from ....jobs.alerts import alerts
from ....jobs.failures import groups, occurrences
from ....jobs.leases import heartbeats, workers
from ....jobs.read import queries
from ....jobs.read.queries import QueueCounts
from ....jobs.search import Tally
from ....operations.fleet.figures import history
from ....operations.fleet.figures.fleet_health import LATE
from ....operations.fleet.figures.history import History
from ....operations.format.time_ranges import TimeRange
from ....operations.jobs.rows import Alert, FailureGroup, Job, Worker
from ....operations.people import permissions
from ....schedules.rows import queries as schedules
from ....schedules.rows.models import Schedule, ScheduleChange
from ....sql.clock import now

#: rows of each list
ROWS = 5
#: maximum alerts listed
MOST_ALERTS = 20
#: states counted for the five figures and held jobs; queues count the queued and running ones
COUNTED = (State.RETRYING, State.DEAD, State.HELD)
#: newest dead jobs looked at for those that no error group counts
DEAD_SEEN = 20
#: age from which they are not shown
DEAD_SHOWN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Figure:
    """One count of the overview, with the query that lists its jobs."""

    label: str
    value: str
    query: str
    note: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """An error group with its newest message, its failures over time, and its dead jobs."""

    group: FailureGroup
    message: str
    actor: str
    trend: list[int]
    dead: int
    is_more: bool
    is_new: bool

    @property
    def counted(self) -> str:
        return number(self.dead) + ("+" if self.is_more else "")


@dataclass(frozen=True, slots=True)
class Needs:
    """Problems that need attention; empty: all clear."""

    alerts: list[Alert] = field(default_factory=list)
    groups: list[ErrorGroup] = field(default_factory=list)
    stalled: list[Job] = field(default_factory=list)
    late: list[tuple[Schedule, timedelta]] = field(default_factory=list)
    schedules: list[tuple[Schedule, str]] = field(default_factory=list)  # with a word for the problem
    unserved: list[str] = field(default_factory=list)  # queues with jobs and no consumer
    held: str = ""  # number of held jobs; empty: none
    jobs: list[Job] = field(default_factory=list)  # dead ones that no group counts

    @property
    def nothing(self) -> bool:
        return not (self.alerts or self.groups or self.stalled or self.late or self.schedules or self.unserved or self.held or self.jobs)


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes within the range."""

    ended: str  # finished jobs beside the range before
    dead: str
    deploys: list[tuple[datetime, str]]
    schedules: list[tuple[Schedule, ScheduleChange]]
    lost_workers: list[tuple[datetime, str]]
    lost_schedulers: list[tuple[datetime, str]]
    is_on_record: bool  # else deploys and lost processes of the range may be missing

    @property
    def nothing(self) -> bool:
        return not (self.deploys or self.schedules or self.lost_workers or self.lost_schedulers)


def needs(
    session: Session, queues: list[QueueCounts], alive: list[Worker], tally: Tally, period: TimeRange, every: list[Schedule]
) -> Needs:
    """Collect the problems that need attention."""
    present = now()
    served = workers.served(alive)
    unserved = [each.queue for each in queues if each.queued and each.queue not in served]
    due = [each for each in every if each.due_at is not None and each.due_at < present - LATE and each.paused_at is None]
    return Needs(
        alerts=alerts.unmuted(session)[:MOST_ALERTS],
        groups=_groups(session, period),
        stalled=search.find(session, search.parse("is:stalled"), limit=ROWS).jobs,
        late=[(each, present - each.due_at) for each in due if each.due_at is not None][:ROWS],
        schedules=[(each, problem) for each in every if (problem := _problem(each))][:ROWS],
        unserved=unserved,
        held=counted(tally, State.HELD) if tally.states[State.HELD] else "",
        jobs=_ungrouped(session),
    )


def _problem(schedule: Schedule) -> str:
    """Say in a word why a schedule does not do its work; empty: it does, or an operator has paused it."""
    if schedule.gone or schedule.paused_by is not None:
        return ""
    if schedule.paused_at is not None:
        return "paused"
    return "broken" if schedule.broken is not None else "no success" if schedule.alerted_at is not None else ""


def _groups(session: Session, period: TimeRange) -> list[ErrorGroup]:
    """Return the unresolved groups seen last that have not recovered."""
    shown = groups.page(session, limit=ROWS, may_see=permissions.sight(), counted=False, with_recovered=False).groups
    messages, names = groups.newest_messages(session, shown), [each.fingerprint for each in shown]
    dead, trends = occurrences.dead(session, names), occurrences.by_step(session, names, period.first, period.last, period.step)
    return [
        ErrorGroup(
            group,
            messages.get(group.fingerprint) or group.message,
            ", ".join(group.actors),
            trend,
            *counted,
            group.first_seen_at >= period.since,
        )
        for group, counted, trend in zip(shown, dead, trends, strict=True)
    ]


def _ungrouped(session: Session) -> list[Job]:
    """Return the newest dead jobs that no error group counts, such as jobs lost with their worker."""
    newest = queries.page(session, state=State.DEAD, limit=DEAD_SEEN).jobs
    dead = [job for job in newest if job.created_at >= now() - DEAD_SHOWN]
    if permissions.in_force() is not None:
        return dead[:ROWS]  # a limited caller may not see the groups
    grouped = occurrences.grouped(session, [(job.seq, job.attempt) for job in dead])
    return [job for job in dead if job.seq not in grouped][:ROWS]


def five(tally: Tally, queues: list[QueueCounts], dead_today: int, passed: History) -> list[Figure]:
    """The five counts: running, queued with the oldest age, retrying, dead, and the success rate."""

    def shown(state: State, note: str) -> Figure:
        return Figure(state.value, sums.get(state) or counted(tally, state), f"state:{state}", note, state.value)

    sums = {State.RUNNING: number(sum(each.running for each in queues)), State.QUEUED: number(sum(each.queued for each in queues))}
    done = State.SUCCEEDED.value
    oldest = min((each.oldest_queued_at for each in queues if each.oldest_queued_at is not None), default=None)
    succeeded, dead = passed.counts[State.SUCCEEDED], passed.counts[State.DEAD]
    rate = f"{100 * succeeded / (succeeded + dead):.1f} %".replace("100.0", "100") if succeeded + dead else "–"
    return [
        shown(State.RUNNING, ""),
        shown(State.QUEUED, "" if oldest is None else f"oldest {span(now() - oldest)}"),
        shown(State.RETRYING, ""),
        shown(State.DEAD, f"{number(dead_today)} in the last 24 hours"),
        Figure(done, rate, f"state:{done} finished:{passed.period.in_query}", f"success rate, {passed.period.label}", done),
    ]


def is_empty(session: Session) -> bool:
    """True if the caller may see no job. False after the time of a page, before all of very many jobs are searched."""
    found = search.find(session, search.parse(""), limit=1)
    return not found.jobs and found.searched_to is None


def counted(tally: Tally, state: State) -> str:
    """Write the number of jobs in a state, with a plus if the count was capped."""
    return number(tally.states[state]) + ("" if state in tally.whole or not tally.states[state] else "+")


class _Within(TypedDict):
    """The range and the length of each list of changes."""

    since: datetime
    until: datetime
    limit: int


def changes(session: Session, passed: History) -> Changes:
    """Compare the range with the one before, and list deploys, changed schedules and lost processes."""
    period = passed.period
    before = history.counts_before(session, period)
    within: _Within = {"since": period.since, "until": period.until, "limit": ROWS}
    return Changes(
        ended=_beside(sum(passed.counts.values()), sum(before.values())),
        dead=_beside(passed.counts[State.DEAD], before[State.DEAD]),
        deploys=passed.deploys[-ROWS:],
        schedules=schedules.changed_lately(session, **within),
        lost_workers=[(each.lost_at, each.name) for each in workers.lost_lately(session, **within) if each.lost_at is not None],
        lost_schedulers=[(each.expires_at, each.name) for each in heartbeats.lost(session, heartbeats.Role.SCHEDULER, **within)],
        is_on_record=workers.is_on_record(period.since),
    )


def _beside(present: int, before: int) -> str:
    if not before:
        return number(present)
    part = 100 * (present - before) / before
    return f"{number(present)} ({'+' if part > 0 else '−' if part < 0 else '±'}{abs(part):.0f} %)"
