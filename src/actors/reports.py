"""Reports that come with Callboard: operations of a day and of a week, and sign-ups."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..formats.quantities import counted
from ..formats.url_segments import segment
from ..jobs import State
from ..jobs.failures.counting import AT_ONCE, note_new
from ..jobs.leases import workers
from ..jobs.read import queries, statistics
from ..jobs.read.statistics import Spread
from ..reports import numbers, periods
from ..reports.document import Block, Chart, Column, Document, Figure, Figures, Series, Table, Tone
from ..schedules import cron
from ..schedules.rows import queries as schedules
from ..schedules.rows.models import Tick
from ..schedules.rows.vocabulary import Origin
from ..sql.clock import now
from ..sql.database import read, write
from .accounts import UserAccount
from .publishing import report

#: rows of the longer tables
ROWS = 15
#: ticks examined for lateness
MOST_TICKS = 20_000
TONES = {
    State.SUCCEEDED: Tone.GOOD,
    State.DEAD: Tone.WORSE,
    State.CANCELLED: Tone.OTHER,
    State.EXPIRED: Tone.QUIET,
}


@report(periodic=cron("0 6 * * *"))
def daily_operations(
    day: Annotated[
        date | None, Field(description="A day in the console's time zone. Empty: the last 24 hours and the current one.")
    ] = None,
) -> Document:
    """Report the operations of a day.

    Jobs by state and actor, the slowest, kinds of failures, and how long queues let jobs wait.
    """
    since, until = periods.day(day) if day is not None else (now().replace(minute=0, second=0, microsecond=0) - timedelta(days=1), now())
    return _operations("Daily operations", since, until)


@report(periodic=cron("0 6 * * mon"))
def weekly_operations(
    first_day: Annotated[date | None, Field(description="The first of seven days. Empty: the last seven days and today.")] = None,
) -> Document:
    """Report the operations of a week, compared with the week before."""
    today = now().astimezone(periods.zone()).date()
    since = periods.day(first_day or today - timedelta(days=7))[0]
    until = now() if first_day is None else periods.day(first_day + timedelta(days=6))[1]
    return _operations("Weekly operations", since, until, by_day=True)


@report(only_if_changed=True, only_if_not_empty=True, periodic=cron("0 7 * * mon"))
def users_report(days: Annotated[int, Field(ge=1, le=365, title="Days")] = 30) -> Document:
    """Report the sign-ups of each day.

    Nothing is sent if there are no sign-ups, or none since the last report.
    """
    zone = periods.zone()
    today = now().astimezone(zone).date()
    first = today - timedelta(days=days - 1)
    with read() as session:
        joined = session.execute(select(UserAccount.joined_at).where(UserAccount.joined_at >= periods.day(first)[0])).scalars().all()
        total, newest = session.execute(select(func.count(), func.max(UserAccount.id)).select_from(UserAccount)).one()
        latest = session.execute(select(UserAccount).order_by(UserAccount.id.desc()).limit(ROWS)).scalars().all()
    per_day = {first + timedelta(days=number): 0 for number in range(days)}
    for instant in joined:
        per_day[instant.astimezone(zone).date()] = per_day.get(instant.astimezone(zone).date(), 0) + 1
    best_day, most = max(per_day.items(), key=lambda pair: pair[1])
    return Document(
        title="Users",
        summary=f"Users: {numbers.count(len(joined))} new in {counted(days, 'day')}, {numbers.count(total)} in all",
        period=f"{first:%d %b %Y} to {today:%d %b %Y}, {zone.key}",
        made_at=now().astimezone(zone),
        same_as=f"{total} {newest} {days}",
        blocks=(
            Figures(
                counts=bool(joined),
                figures=(
                    Figure(label="signed up", value=numbers.count(len(joined)), note=f"in {counted(days, 'day')}", tone=Tone.GOOD),
                    Figure(label="users in all", value=numbers.count(total)),
                    Figure(label="best day", value=f"{best_day:%d %b}" if most else "–", note=f"{numbers.count(most)} signed up"),
                ),
            ),
            Chart(
                title="Sign-ups per day",
                labels=tuple(f"{day:%d %b}" for day in per_day),
                series=(Series(name="sign-ups", values=tuple(per_day.values())),),
                nothing="No sign-ups.",
            ),
            Table(
                title="Newest users",
                columns=(Column(name="Name"), Column(name="E-mail"), Column(name="Joined")),
                rows=tuple((user.username, user.email, periods.local(user.joined_at)) for user in latest),
                nothing="There are no users.",
            ),
        ),
    )


def _operations(title: str, since: datetime, until: datetime, *, by_day: bool = False) -> Document:
    _note_failures()
    zone = periods.zone()
    with read() as session:
        blocks = _operations_blocks(session, since, until, by_day=by_day)
        ended = _sum(statistics.by_actor(session, since, until))
    return Document(
        title=title,
        summary=f"{title}: {numbers.count(ended.get(State.SUCCEEDED, 0))} ok, {numbers.count(ended.get(State.DEAD, 0))} dead",
        period=f"{periods.local(since)} to {periods.local(until)}, {zone.key}",
        made_at=now().astimezone(zone),
        blocks=blocks,
    )


def _operations_blocks(session: Session, since: datetime, until: datetime, *, by_day: bool) -> tuple[Block, ...]:
    by_actor = statistics.by_actor(session, since, until)
    before = _sum(statistics.by_actor(session, periods.before(since, until), since))
    runs = statistics.runs(session, since, until)
    failures = statistics.failures(session, since, until, limit=ROWS)
    return (
        _headline(session, _sum(by_actor), before),
        _over_time(session, since, until, by_day=by_day),
        _actors(by_actor, runs),
        Chart(
            title="Longest attempts by actor (95 % are shorter)",
            shape="bars",
            unit="s",
            labels=tuple(name for name, _ in _longest(runs)),
            series=(Series(name="95th percentile", values=tuple(round(spread.p95, 3) for _, spread in _longest(runs)), tone=Tone.OTHER),),
        ),
        _slowest(session, since, until),
        Table(
            title="Kinds of failures",
            columns=(
                Column(name="Failure"),
                Column(name="Message"),
                Column(name="Place"),
                Column(name="Times", number=True),
                Column(name="Jobs", number=True),
            ),
            rows=tuple((each.title, each.message, each.place, each.count, each.jobs) for each in failures),
            links=tuple(f"/jobs/{segment(each.sample)}" if each.sample else None for each in failures),
            nothing="No attempt failed.",
        ),
        _waits(statistics.waits(session, since, until)),
        _schedules(session, since, until),
    )


def _headline(session: Session, ended: dict[State, int], before: dict[State, int]) -> Figures:
    now_there = queries.counts_but_succeeded(session)
    done, dead = ended.get(State.SUCCEEDED, 0), ended.get(State.DEAD, 0)
    waiting = sum(now_there[state] for state in (State.QUEUED, State.SCHEDULED, State.RETRYING))
    return Figures(
        counts=bool(ended),
        figures=(
            Figure(
                label=State.SUCCEEDED, value=numbers.count(done), note=numbers.change(done, before.get(State.SUCCEEDED, 0)), tone=Tone.GOOD
            ),
            Figure(
                label=State.DEAD,
                value=numbers.count(dead),
                note=numbers.change(dead, before.get(State.DEAD, 0)),
                tone=Tone.BAD if dead else Tone.PLAIN,
            ),
            Figure(label="success rate", value=numbers.share(done, done + dead), note="of those that ended by themselves"),
            Figure(label="waiting now", value=numbers.count(waiting), note=f"{numbers.count(now_there[State.HELD])} held"),
            Figure(label="workers now", value=numbers.count(len(workers.alive(session)))),
        ),
    )


def _over_time(session: Session, since: datetime, until: datetime, *, by_day: bool) -> Chart:
    zone = periods.zone()
    steps: dict[object, tuple[str, Counter[State]]] = {}
    for number, counts in enumerate(statistics.by_hour(session, since, until)):
        begin = (since + timedelta(hours=number)).astimezone(zone)
        # A day of 25 hours has the same hour twice: the key is its number, not its label.
        _, total = steps.setdefault(begin.date() if by_day else number, (f"{begin:%a %d}" if by_day else f"{begin:%H:%M}", Counter()))
        total.update(counts)
    series = [
        Series(name=state.value, values=tuple(total[state] for _, total in steps.values()), tone=tone)
        for state, tone in TONES.items()
        if state is State.SUCCEEDED or any(total[state] for _, total in steps.values())
    ]
    return Chart(
        title=f"Jobs that ended, per {'day' if by_day else 'hour'}",
        labels=tuple(label for label, _ in steps.values()),
        series=tuple(series),
        nothing="No job ended.",
    )


def _actors(by_actor: dict[str, dict[State, int]], runs: dict[str, Spread]) -> Table:
    ranked = sorted(by_actor.items(), key=lambda pair: (-pair[1].get(State.DEAD, 0), -sum(pair[1].values()), pair[0]))
    rows = []
    for name, states in ranked[:ROWS]:
        spread = runs.get(name)
        counts = [states.get(state, 0) for state in TONES]
        rows.append((name, *counts, *((numbers.duration(spread.median), numbers.duration(spread.p95)) if spread else ("–", "–"))))
    names = ("Actor", *(state.value.capitalize() for state in TONES), "Median", "95 %")
    return Table(
        title="Actors",
        columns=tuple(Column(name=name, number=bool(at)) for at, name in enumerate(names)),
        rows=tuple(rows),
        links=tuple(f"/jobs?actor={name}" if name.isidentifier() else None for name, _ in ranked[:ROWS]),
        note=f"and {counted(len(ranked) - ROWS, 'more actor')}" if len(ranked) > ROWS else "",
        nothing="No job ended.",
    )


def _slowest(session: Session, since: datetime, until: datetime) -> Table:
    slow = statistics.slowest(session, since, until)
    return Table(
        title="Slowest jobs",
        columns=(Column(name="Actor"), Column(name="Job"), Column(name="State"), Column(name="Took", number=True)),
        rows=tuple((each.actor, f"{each.id[:8]}…{each.id[-4:]}", each.state.value, numbers.duration(each.seconds)) for each in slow),
        links=tuple(f"/jobs/{segment(each.id)}" for each in slow),
        nothing="No job ended.",
    )


def _waits(waits: dict[str, Spread]) -> Table:
    return Table(
        title="Waiting in queues",
        columns=(Column(name="Queue"), *(Column(name=name, number=True) for name in ("Jobs", "Median", "95 %", "Longest"))),
        rows=tuple(
            (name, each.count, numbers.duration(each.median), numbers.duration(each.p95), numbers.duration(each.longest))
            for name, each in sorted(waits.items(), key=lambda pair: -pair[1].p95)
        ),
        note="From the instant a job could start to its first attempt.",
        nothing="No job ended.",
    )


def _schedules(session: Session, since: datetime, until: datetime) -> Table:
    """Return how late the scheduled ticks of the period were, and the next ticks."""
    fired = select(Tick.schedule_id, Tick.due_at, Tick.decided_at).where(Tick.decided_at >= since, Tick.decided_at < until)
    late: dict[int, list[float]] = {}
    for row in session.execute(fired.where(Tick.origin == Origin.CLOCK).order_by(Tick.decided_at.desc()).limit(MOST_TICKS)):
        late.setdefault(row.schedule_id, []).append(max((row.decided_at - row.due_at).total_seconds(), 0.0))
    there = [schedule for schedule in schedules.every(session) if not schedule.gone]
    rows = []
    for schedule in sorted(there, key=lambda each: (each.due_at is None, each.due_at or until, each.name))[:ROWS]:
        seconds = sorted(late.get(schedule.id, []))
        typical = numbers.duration(seconds[len(seconds) // 2]) if seconds else "–"
        following = (
            "paused" if schedule.paused_at is not None else periods.local(schedule.due_at) if schedule.due_at is not None else "none"
        )
        rows.append((schedule.name, len(seconds), typical, numbers.duration(seconds[-1]) if seconds else "–", following))
    return Table(
        title="Schedules",
        columns=(Column(name="Schedule"), *(Column(name=name, number=True) for name in ("Ticks", "Late, median", "Latest", "Next"))),
        rows=tuple(rows),
        nothing="There are no schedules.",
    )


def _longest(runs: dict[str, Spread]) -> list[tuple[str, Spread]]:
    return sorted(runs.items(), key=lambda pair: -pair[1].p95)[:8]


def _note_failures() -> None:
    """Count failures up to now, so that every error group has its name."""
    new = AT_ONCE
    while new == AT_ONCE:
        with write() as session:
            new = note_new(session)


def _sum(by_actor: dict[str, dict[State, int]]) -> dict[State, int]:
    return {
        state: sum(states.get(state, 0) for states in by_actor.values()) for state in TONES if any(state in s for s in by_actor.values())
    }
