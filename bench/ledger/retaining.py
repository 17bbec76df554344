"""Drain beside retention, as a scheduler runs it, in turns with a drain alone; and the longest of its statements."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bench.contestants import Contestant
from bench.ledger import comparing
from bench.ledger.comparing import Side
from bench.services import Place
from bench.site import share
from src.jobs.upkeep import retention
from src.jobs.upkeep.retention import Sweep
from src.settings import get_settings
from src.sql.database import Database


@dataclass
class Figures:
    """Milliseconds of statements and of transactions, and jobs deleted."""

    statements: list[float] = field(default_factory=list)
    transactions: list[float] = field(default_factory=list)
    deleted: int = 0
    seconds: float = 0.0
    longest: tuple[float, str] = (0.0, "")


def retain(folder: Path, store: str, *, rounds: int, jobs: int, days: float, rest: float) -> list[str]:
    """Return the lines of the report."""
    os.environ["CALLBOARD_KEEP_SUCCEEDED"] = str(days)
    get_settings.cache_clear()
    contestant, figures, sweep = comparing.contestant_of(store), Figures(), Sweep()
    with comparing.opened(folder, store) as services, comparing.filled(services, folder, store) as place:
        sides = [Side("alone", place), Side("beside retention", place)]
        for number in range(rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                if side is sides[0]:
                    comparing.drain(services, contestant, side, jobs)
                else:
                    with _deleting(contestant, place, figures, sweep, rest):
                        comparing.drain(services, contestant, side, jobs)
    return [
        *comparing.report(sides),
        f"{figures.deleted:,} jobs deleted in {figures.seconds:.0f} s, {figures.deleted / figures.seconds:,.0f} per second",
        f"{len(figures.statements):,} statements: p50 {share(figures.statements, 0.5):.1f}, p99 {share(figures.statements, 0.99):.1f}, "
        f"longest {figures.longest[0]:.1f} ms: {figures.longest[1]}",
        f"{len(figures.transactions):,} transactions: p50 {share(figures.transactions, 0.5):.1f}, p99 {share(figures.transactions, 0.99):.1f}, "
        f"longest {max(figures.transactions):.1f} ms",
    ]


@contextmanager
def _deleting(contestant: Contestant, place: Place, figures: Figures, sweep: Sweep, rest: float) -> Iterator[None]:
    """Delete in a thread, one transaction after the other with pauses between, as housekeeping does."""
    database, ended = Database(contestant.environment(place)["CALLBOARD_DATABASE_URL"]), threading.Event()
    event.listen(database.engine, "before_cursor_execute", _begin)
    event.listen(database.engine, "after_cursor_execute", lambda *executed: _note(figures, *executed))

    def delete() -> None:
        sweep.resume()
        while not ended.is_set() and not sweep.is_through:
            begun = time.monotonic()
            with database.write() as session:
                figures.deleted += retention.prune(session, sweep=sweep)
            took = time.monotonic() - begun
            figures.transactions.append(took * 1000)
            ended.wait(took * rest)

    thread, begun = threading.Thread(target=delete), time.monotonic()
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        figures.seconds += time.monotonic() - begun
        database.engine.dispose()


def _begin(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    context.begun = time.monotonic()


def _note(figures: Figures, _connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    took = (time.monotonic() - context.begun) * 1000
    figures.statements.append(took)
    figures.longest = max(figures.longest, (took, " ".join(statement.split())[:60]))
