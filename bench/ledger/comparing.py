"""Compare a filled database with an empty one in turns: drain, submissions, latency of idle workers."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import checkouts, measures
from bench.contestants import CONTESTANTS, Contestant
from bench.ledger import filling
from bench.measures import LIMIT_S
from bench.processes import run
from bench.services import Place, Services
from bench.timing import BACKLOG
from src.migrations import migrate
from src.sql.database import Database
from tests.harness.ageing import age, pinned

#: figures of which more is better; of the others less
RATES = ("drain", "submit", "bulk")


@dataclass
class Side:
    """A place that stays for the whole comparison, and its figures."""

    name: str
    place: Place
    found: dict[str, list[float]] = field(default_factory=dict)


def contestant_of(store: str) -> Contestant:
    return next(each for each in CONTESTANTS if each.store == store)


def compare(folder: Path, store: str, *, rounds: int, jobs: int, steps: int, waiting: int) -> list[Side]:
    """Return the figures of the empty and the filled database."""
    contestant = contestant_of(store)
    with opened(folder, store) as services, services.place() as empty, filled(services, folder, store) as kept:
        sides = [Side("empty", empty), Side("filled", kept)]
        run(contestant.command("backlog", waiting), env=contestant.environment(kept), cwd=kept.folder, timeout=LIMIT_S)
        try:
            _take_turns(services, contestant, sides, rounds=rounds, jobs=jobs, steps=steps)
        finally:
            forget_waiting(contestant, kept)
    return sides


def compare_pinned(*, rounds: int, jobs: int, steps: int, lives: int) -> list[Side]:
    """Return the figures of an empty database, and of one with so many jobs done in a transaction that is still open (PostgreSQL)."""
    contestant = contestant_of("postgresql")
    with Services() as services, services.place() as empty, services.place() as held, pinned(held.postgresql_url):
        age(held.postgresql_url, lives)
        sides = [Side("free", empty), Side("held", held)]
        _take_turns(services, contestant, sides, rounds=rounds, jobs=jobs, steps=steps)
    return sides


def _take_turns(services: Services, contestant: Contestant, sides: list[Side], *, rounds: int, jobs: int, steps: int) -> None:
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            drain(services, contestant, side, jobs)
    places = [(side.place, contestant.environment(side.place)) for side in sides]
    for side, found in zip(sides, checkouts.steps(contestant, places, checkouts.STEPS, steps), strict=True):
        side.found |= found


def drain(services: Services, contestant: Contestant, side: Side, jobs: int) -> None:
    """Drain once, and note the figures."""
    drained = measures.drain_at(side.place, services, contestant, jobs)
    side.found.setdefault("drain", []).append(drained.per_second)
    side.found.setdefault("CPU of workers", []).append(drained.worker_cpu * 1000)
    side.found.setdefault("CPU of PostgreSQL", []).append(drained.postgresql_cpu * 1000)


@contextmanager
def opened(folder: Path, store: str) -> Iterator[Services]:
    """Start the services, with the folder's PostgreSQL databases if that is the store."""
    with Services(folder / "postgresql" / "data" if store == "postgresql" else None) as services:
        yield services


@contextmanager
def filled(services: Services, folder: Path, store: str) -> Iterator[Place]:
    """The place of the filled database, which may be of an older release."""
    with services.place(database=filling.DATABASE if store == "postgresql" else None, sqlite_file=folder / filling.FILE) as place:
        migrate(contestant_of(store).environment(place)["CALLBOARD_DATABASE_URL"])
        yield place


def forget_waiting(contestant: Contestant, place: Place) -> None:
    """Delete the jobs that wait: their messages end with the place."""
    database = Database(contestant.environment(place)["CALLBOARD_DATABASE_URL"])
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM jobs WHERE state = 'queued' AND queue = '{BACKLOG}'")
        connection.exec_driver_sql("DELETE FROM jobs WHERE state = 'scheduled'")
    database.engine.dispose()


def report(sides: list[Side]) -> list[str]:
    """Lines with medians, and each figure of the second side in per cent of the first one's: 100 is equal, less is worse."""
    lines, names = [], [side.name for side in sides]
    for what in sides[0].found:
        empty, full = (statistics.median(side.found[what]) for side in sides)
        if empty and full:
            per_cent = 100 * (full / empty if what in RATES else empty / full)
            lines.append(
                f"{what}: {names[0]} {empty:,.2f}, {names[1]} {full:,.2f}: {per_cent:.1f} % ({len(sides[0].found[what])} times each)"
            )
    return lines
