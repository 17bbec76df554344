"""Figures from the lines of the producer and of the jobs: throughput, latency, lost and doubled jobs, recovery."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.scenarios.counters import Counters
from bench.scenarios.producing import Load
from bench.site import share

#: times the accepted jobs of a second that may wait for their end when a side has caught up
CAUGHT_UP = 0.5


@dataclass(frozen=True)
class Figures:
    """One side in one scenario; per job: of the jobs that ended."""

    scenario: str
    side: str
    accepted: int
    lost: int  # without a durable end when the wait was over
    doubled: int  # started more than once
    refused: int  # submissions that had to be repeated
    per_second: float  # ends, from the blow until caught up, at least for a third of the load; without a blow, in all
    p50_ms: float
    p99_ms: float
    recovery: float | None  # ends per second in the last third over those in the first
    caught_up_s: float | None  # seconds after the blow; None: never
    wal: float | None
    commits: float | None
    died: float | None
    dead: int | None

    def text(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Lines:
    """Instants by time.time(): number -> submission asked, accepted; starts and ends."""

    asked: dict[int, float]
    accepted: dict[int, float]
    tries: dict[int, int]
    starts: dict[int, list[float]]
    ends: dict[int, float]

    @classmethod
    def read(cls, submitted: Path, notes: Path) -> Lines:
        found = cls({}, {}, {}, {}, {})
        for line in _lines(submitted):
            number = int(line[0])
            found.asked[number], found.accepted[number], found.tries[number] = float(line[1]), float(line[2]), int(line[3])
        for kind, number_, at in (line for line in _lines(notes) if len(line) == 3):
            number = int(json.loads(number_))
            if kind == "start":
                found.starts.setdefault(number, []).append(float(at))
            else:
                found.ends.setdefault(number, float(at))
        return found

    @property
    def unended(self) -> int:
        return len(self.accepted.keys() - self.ends.keys())


def _lines(path: Path) -> list[list[str]]:
    text = path.read_text() if path.exists() else ""
    return [line.split() for line in text[: text.rfind("\n") + 1].splitlines()]


def figures(scenario: str, side: str, load: Load, lines: Lines, before: Counters, after: Counters, blow: float | None) -> Figures:
    """`blow`: when it came, None without one."""
    ended = {number: at for number, at in lines.ends.items() if number in lines.accepted}
    ends = sorted(ended.values())
    waits = [(at - lines.asked[number]) * 1000 for number, at in ended.items()]
    third = load.seconds / 3
    rates = [sum(begin <= at < begin + third for at in ends) / third for begin in (load.begin, load.begin + 2 * third)]
    caught_up = None if blow is None else _caught_up(lines, ends, blow, load.rate * CAUGHT_UP)
    begin, end = load.begin, ends[-1] if ends else load.begin
    if blow is not None and caught_up is not None:
        # The burst's figure is how fast it is worked off; a third of the load shows the others.
        begin, end = blow, caught_up if load.burst else max(caught_up, blow + third)
    counted = max(1, len(ended))

    def per_job(earlier: int | None, later: int | None) -> float | None:
        return None if earlier is None or later is None else (later - earlier) / counted

    return Figures(
        scenario, side, len(lines.accepted), lines.unended,
        sum(len(starts) > 1 for number, starts in lines.starts.items() if lines.tries.get(number) == 1),
        sum(tries - 1 for tries in lines.tries.values()),
        sum(begin <= at <= end for at in ends) / max(0.001, end - begin), share(waits, 0.5), share(waits, 0.99),
        None if blow is None else rates[1] / max(0.001, rates[0]), None if caught_up is None or blow is None else caught_up - blow,
        per_job(before.wal, after.wal), per_job(before.commits, after.commits), per_job(before.died, after.died), after.dead,
    )  # fmt: skip


def _caught_up(lines: Lines, ends: list[float], blow: float, waiting: float) -> float | None:
    """The last instant after the blow at which more than `waiting` jobs became fewer; None: too many never ended."""
    if lines.unended > waiting:
        return None
    open_jobs, behind, found = 0, False, blow
    marks = sorted([(at, 1) for at in lines.accepted.values()] + [(at, -1) for at in ends])
    for at, change in marks:
        open_jobs += change
        if at < blow:
            continue
        if open_jobs > waiting:
            behind = True
        elif behind:
            behind, found = False, at
    return found
