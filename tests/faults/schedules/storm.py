"""Schedulers killed and frozen while they tick, a minute without any, and periodiq's command beside them.

python -m tests.faults.schedules.storm blows|outage|periodiq [--store sqlite|postgresql] [--seconds 120]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from src.jobs.core.models import Job
from src.operations.people.roles import Role
from src.schedules.edit import editing
from src.schedules.rows import queries
from src.schedules.rows.drafts import Draft
from src.schedules.rows.models import Schedule, Tick
from src.schedules.rows.vocabulary import Missed
from src.sql.clock import now
from src.sql.database import Database, get_database
from src.web import create_app
from tests.harness.breakable import breakable
from tests.harness.commands import SCHEDULER
from tests.harness.fleet import Fleet, Part
from tests.harness.site import Site, in_words
from tests.harness.waiting import eventually

PERIODIQ = ["periodiq", "src.actors"]
#: seconds in which what is due when the measured time ends must have been fired
CALM_S = 8.0


@dataclass
class Count:
    """Outcomes of the ticks of a period."""

    expected: int = 0
    fired: int = 0
    missed: int = 0  # expected, and without a job
    doubled: int = 0  # jobs of one tick, beside the first
    strange: int = 0  # ticks that no rule knows
    late_s: list[float] = field(default_factory=list)
    blows: Counter[str] = field(default_factory=Counter)

    def late(self, share: float) -> float:
        """The lateness, in seconds, that so many ticks do not exceed."""
        return sorted(self.late_s)[min(len(self.late_s) - 1, int(share * len(self.late_s)))] if self.late_s else 0.0

    def line(self) -> str:
        return (
            f"ticks expected {self.expected}, fired {self.fired}, missed {self.missed}, doubled {self.doubled}, strange {self.strange}; "
            f"lateness p50 {self.late(0.5) * 1000:.0f} ms, p99 {self.late(0.99) * 1000:.0f} ms, longest {max(self.late_s, default=0) * 1000:.0f} ms; "
            f"blows: {dict(self.blows)}"
        )


def blows(database: Database, fleet: Fleet, *, seconds: float, every: float = 3.0, seed: int = 7) -> Count:
    """Ten schedules of 1 to 5 seconds, and every `every` seconds one scheduler is killed (-9) or frozen until the next blow."""
    with database.write() as session:
        for number in range(10):
            editing.create(session, Draft(f"storm {number}", "add", [1, 2], every_s=1 + number % 5), by="storm")
    _all_tick(database, 10)
    chance, struck, frozen = random.Random(seed), Counter[str](), None
    # Not this second: what the code declares may have been written in the middle of it, and then has no tick at its beginning.
    start = _whole_second(now()) + timedelta(seconds=1)
    end = start + timedelta(seconds=seconds)
    while now() < end:
        time.sleep(every)
        if frozen is not None:
            _signal(frozen, signal.SIGCONT)
            frozen = None
        part = chance.choice(_schedulers(fleet))
        if chance.random() < 0.5:
            struck["kill -9"] += _signal(part.process.pid, signal.SIGKILL)
        else:
            struck["freeze"] += _signal(part.process.pid, signal.SIGSTOP)
            frozen = part.process.pid
    time.sleep(CALM_S / 2)  # still frozen: the others must have fired all due ticks
    if frozen is not None:
        _signal(frozen, signal.SIGCONT)
    time.sleep(CALM_S / 2)
    return _count(database, start, end, struck)


def outage(database: Database, fleet: Fleet, *, seconds: float) -> list[str]:
    """Stop every scheduler for a while; report each policy's outcome from the rows and from the pages."""
    ids: dict[str, int] = {}
    with database.write() as session:
        for missed in Missed:
            draft = Draft(f"missed {missed}", "add", [1, 2], every_s=5, missed=missed, grace_s=2)
            ids[missed.value] = editing.create(session, draft, by="storm").id
    _all_tick(database, 3)
    gone_at = now()
    for part in _schedulers(fleet):
        _signal(part.process.pid, signal.SIGSTOP)
    time.sleep(seconds)
    back_at = now()
    for part in _schedulers(fleet):
        _signal(part.process.pid, signal.SIGCONT)
    eventually(lambda: all(_next_tick(database, id) > back_at for id in ids.values()), deadline_s=30)
    time.sleep(6)
    told = []
    for policy, id in ids.items():
        with database.read() as session:
            runs = [run.tick for run in queries.history(session, id, limit=500).runs]
        within = [tick for tick in runs if gone_at < tick.scheduled_for < back_at - timedelta(seconds=3)]
        ran = [tick for tick in within if tick.job_id is not None]
        told.append(f"{policy}: {sum(tick.covers for tick in within)} ticks in the outage, {len(ran)} run, each once; {_page(id)}")
    return told


def periodiq(database: Database, *, actor: str, seconds: float) -> Count:
    """Periodiq's command and two of our schedulers beside each other."""
    eventually(lambda: _of(database, actor), deadline_s=60, what="the code's schedule is there")
    start = _whole_second(now()) + timedelta(seconds=1)
    time.sleep(seconds)
    end = start + timedelta(seconds=seconds - 1)
    time.sleep(2)
    return _count(database, start, end, Counter(), name=actor)


def _count(database: Database, start: datetime, end: datetime, struck: Counter[str], name: str | None = None) -> Count:
    count = Count(blows=struck)
    with database.read() as session:
        schedules = [each for each in queries.every(session) if name is None or each.name == name]
        for schedule in schedules:
            mine = (Tick.schedule_id == schedule.id) & (Tick.scheduled_for >= start) & (Tick.scheduled_for <= end)
            ticks = list(session.execute(select(Tick).where(mine)).scalars())
            expected = set(schedule.draft.rule.between(start, end))
            fired = {tick.scheduled_for for tick in ticks if tick.job_id is not None}
            count.expected += len(expected)
            count.fired += len(fired)
            count.missed += len(expected - fired)
            count.strange += len(fired - expected)
            count.late_s.extend((tick.decided_at - tick.due_at).total_seconds() for tick in ticks if tick.job_id is not None)
        names = {f"schedule {each.name}" for each in schedules}
        jobs = session.execute(select(Job.submitted_by, Job.options).where(Job.source == "schedule", Job.submitted_by.in_(names)))
        per_tick = Counter((by, options["scheduled_for"]) for by, options in jobs)
        count.doubled = sum(number - 1 for number in per_tick.values())
    return count


def _page(id: int) -> str:
    """Return the text about missed ticks on the schedule's page."""
    text = in_words(Site(get_database(), create_app()).browser(Role.VIEWER).get(f"/schedules/{id}").text)
    said = re.search(r"\d+ ticks? (?:was|were) missed between .*?\.", text)
    return said[0] if said else "nothing on the page"


def _all_tick(database: Database, number: int) -> None:
    def do() -> bool:
        with database.read() as session:
            return len(set(session.execute(select(Tick.schedule_id)).scalars())) >= number

    eventually(do, deadline_s=60, interval_s=0.2, what="every schedule ticks")


def _next_tick(database: Database, id: int) -> datetime:
    with database.read() as session:
        tick_at = queries.find(session, id).tick_at
    assert tick_at is not None
    return tick_at


def _of(database: Database, actor: str) -> Schedule | None:
    with database.read() as session:
        return next(iter(queries.of_actor(session, actor)), None)


def _schedulers(fleet: Fleet) -> list[Part]:
    return [part for part in fleet.parts if part.name.startswith("scheduler")]


def _signal(pid: int, number: signal.Signals) -> int:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return 1
    return 0


def _whole_second(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)


@contextmanager
def schedulers(environment: Mapping[str, str], log: Path, number: int) -> Iterator[Fleet]:
    """So many scheduler commands, started again when they die."""
    with Fleet(environment, log, workers=0, scheduler=False) as fleet:
        for each in range(number):
            fleet.add(f"scheduler-{each}", list(SCHEDULER))
        yield fleet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["blows", "outage", "periodiq"])
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--seconds", type=float)
    wanted = parser.parse_args()
    with breakable(wanted.store) as callboard:
        environment = {**callboard.environment, "CALLBOARD_ACTORS": "tests.actors.periodic"}
        with schedulers(environment, callboard.log, 2 if wanted.what == "periodiq" else 3) as fleet:
            if wanted.what == "blows":
                print(blows(callboard.database, fleet, seconds=wanted.seconds or 120).line())
            elif wanted.what == "outage":
                print("\n".join(outage(callboard.database, fleet, seconds=wanted.seconds or 60)))
            else:
                fleet.add("periodiq", PERIODIQ)
                print(periodiq(callboard.database, actor="sched_minutely", seconds=wanted.seconds or 180).line())


if __name__ == "__main__":
    main()
