"""Half an hour of load beside a transaction that is held open, and a fifth of it at the same time without one (PostgreSQL)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psycopg

from bench.baselines import ROOT
from bench.processes import Group, cpu_seconds
from bench.services import Place, Services
from bench.site import share
from tests.harness.ageing import pinned

#: seconds before the transaction begins
WARM_S = 120.0
_DEAD = "SELECT coalesce(sum(n_dead_tup), 0), coalesce(sum(pg_total_relation_size(relid)), 0) FROM pg_stat_user_tables"


@dataclass
class Side:
    """One place under load, and its figures: jobs started per second, milliseconds from submission to start."""

    place: Place
    processes: list[Group]
    notes: IO[str]
    rate: dict[str, list[float]] = field(default_factory=dict)
    p50: dict[str, list[float]] = field(default_factory=dict)
    p99: dict[str, list[float]] = field(default_factory=dict)

    def look(self, phase: str, seconds: float) -> str:
        """Read the notes since the previous call; return a line of figures."""
        late = [(float(started) - float(due)) * 1000 for due, started in (line.split() for line in self._lines())]
        if not late:
            return "nothing started"
        figures = len(late) / seconds, share(late, 0.5), share(late, 0.99)
        for kept, figure in zip((self.rate, self.p50, self.p99), figures, strict=True):
            kept.setdefault(phase, []).append(figure)
        dead, size = self.dead()
        cpu = sum(cpu_seconds(group.pid) for group in self.processes)
        return f"{figures[0]:.0f}/s p50 {figures[1]:.1f} p99 {figures[2]:.1f} ms, {dead:,} dead rows, {size / 1e6:.0f} MB, {cpu:.0f} s CPU"

    def dead(self) -> tuple[int, int]:
        with psycopg.connect(self.place.postgresql_url, autocommit=True) as connection:
            found = connection.execute(_DEAD).fetchone()
            assert found is not None
            return int(found[0]), int(found[1])

    def _lines(self) -> Iterator[str]:
        while True:
            where = self.notes.tell()
            line = self.notes.readline()
            if not line.endswith("\n"):
                self.notes.seek(where)
                return
            yield line


def soak(*, minutes: float, after: float, rate: int) -> list[str]:
    """Return the lines of the report; prints figures of each minute."""
    with Services() as services, ExitStack() as ending:
        sides = {name: ending.enter_context(_side(services, jobs)) for name, jobs in (("free", rate // 5), ("held", rate))}
        time.sleep(30)
        _watch(sides, "warming up", 0)
        _watch(sides, "before", WARM_S)
        with pinned(sides["held"].place.postgresql_url):
            _watch(sides, "held", minutes * 60)
            grown, _ = sides["held"].dead()
        ended = time.monotonic()
        gone = None
        for _ in range(int(after)):
            _watch(sides, "after", 60)
            if gone is None and sides["held"].dead()[0] < grown / 10:
                gone = time.monotonic() - ended
        return [
            *_report(sides),
            f"dead rows at the end of the transaction {grown:,}; a tenth of them left after {gone or float('nan'):.0f} s",
        ]


def _watch(sides: dict[str, Side], phase: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        step = min(60.0, until - begun)
        time.sleep(max(0.0, step))
        for name, side in sides.items():
            print(f"{phase:10} {name:5} {side.look(phase, max(step, 1))}", flush=True)
        print(f"{'':16} load {os.getloadavg()[0]:.1f}", flush=True)
        if time.monotonic() >= until - 1:
            return


def _report(sides: dict[str, Side]) -> Iterator[str]:
    for phase in ("before", "held", "after"):
        for what in ("rate", "p50", "p99"):
            free, held = (share(getattr(side, what)[phase], 0.5) for side in sides.values())
            yield f"{phase}: {what} without {free:.1f}, with {held:.1f}: {held / free:.2f} × (medians of {len(sides['held'].rate[phase])} minutes)"


@contextmanager
def _side(services: Services, rate: int) -> Iterator[Side]:
    with services.place() as place, ExitStack() as ending:
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(place.folder),
            "PYTHONPATH": str(ROOT),
            "CALLBOARD_DATA_DIR": str(place.folder),
            "CALLBOARD_DATABASE_URL": place.postgresql_url,
            "CALLBOARD_BROKER_URL": place.amqp_url,
            "CALLBOARD_ACTORS": "bench.sides.measured",
            "CALLBOARD_SECRET_KEY": "of the measurement",
            "BENCH_NOTES": str(place.folder / "notes"),
        }
        programs = Path(sys.executable).parent
        commands = (
            [str(programs / "dramatiq"), "src.actors", "-p", "1", "-t", "8", "--skip-logging"],
            [sys.executable, "-m", "src", "scheduler"],
            [sys.executable, "-m", "bench.ledger.load", str(rate)],
        )
        (place.folder / "notes").touch()
        processes = [ending.enter_context(Group(command, env=environment, cwd=ROOT, log=place.folder / "load.log")) for command in commands]
        yield Side(place, processes, ending.enter_context(open(place.folder / "notes")))
