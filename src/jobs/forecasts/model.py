"""The model of a forecast: when a job in line starts and ends. Pure: no SQL, no clock; seconds from the present.

A fluid approximation. Each gate (threads, a rate limit, slots of a concurrency limit) lets jobs start at a rate. The time until a
job's turn is lognormal: its variance is that of the jobs ahead, and that of the rate itself. The last gate to open decides.
Then a run is added, distributed as recent ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .distributions import GRID, Weighted, lognormal, quantile

#: seconds from a free thread to a start: publishing, delivery, claim
LATENCY_S = 0.05
#: part of a turn that is none
LEAST_TURNS = 1e-6
#: runs needed for a forecast
LEAST = 30
#: a run counts half as much as one that ended so many runs later: jobs change with deploys and arguments
HALF_LIFE = 50


@dataclass(frozen=True, slots=True)
class Gate:
    """A bottleneck before a start: `turns` are the starts, or ends, until this job's own start, at `per_s` a second."""

    turns: float
    per_s: float
    spread: float = 1.0  # coefficient of variation of the time between two turns
    uncertainty: float = 0.1  # relative error of the rate

    def opens_after(self, level: float) -> float:
        """Return a quantile of the time until the job's turn."""
        if self.turns < LEAST_TURNS:
            return 0.0
        middle = self.turns / self.per_s
        variance = self.turns * (self.spread / self.per_s) ** 2 + (self.uncertainty * middle) ** 2
        return lognormal(middle, variance, level)


@dataclass(frozen=True, slots=True)
class Situation:
    """A job in line. `due_s`: until its due time; `paused_s`: until a pause ends, during which no job starts."""

    gates: Sequence[Gate] = ()
    due_s: float = 0.0
    paused_s: float = 0.0
    running_s: float | None = None  # since its start, if it runs

    @property
    def fixed_s(self) -> float:
        """The part of the wait that is certain."""
        return max(self.due_s, self.paused_s)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Seconds from the present, by which half, and nine tenths, of such jobs have started and ended."""

    start_p50: float
    start_p90: float
    end_p50: float
    end_p90: float
    fixed_s: float = 0.0


def predict(situation: Situation, runs: Sequence[Weighted]) -> Prediction:
    """Predict start and end. `runs`: sorted seconds from first start to end of recent jobs, with weights."""
    if situation.running_s is not None:
        left = remaining(runs, situation.running_s)
        return Prediction(0.0, 0.0, quantile(left, 0.5), quantile(left, 0.9))
    starts = [_starts(situation, level) for level in GRID]
    grid = [quantile(runs, level) for level in GRID]
    ends = sorted((start + run, 1.0) for start in starts for run in grid)
    p50, p90 = _starts(situation, 0.5), _starts(situation, 0.9)
    # The levels of the grid lie beside these two: an end must not come before its start for that.
    return Prediction(p50, p90, max(p50, quantile(ends, 0.5)), max(p90, quantile(ends, 0.9)), situation.fixed_s)


def _starts(situation: Situation, level: float) -> float:
    opened = max((gate.opens_after(level) for gate in situation.gates), default=0.0)
    return max(situation.due_s, situation.paused_s + opened) + LATENCY_S


def remaining(runs: Sequence[Weighted], elapsed: float) -> list[Weighted]:
    """Return how much longer runs take that have taken this long; one that outlasts all known ones may take as long again."""
    longer = [(run - elapsed, weight) for run, weight in runs if run > elapsed]
    beyond = 1.0 if longer else 5.0
    return sorted([*longer, (max(elapsed, LATENCY_S), 0.05 * beyond)])


def weighted(newest_first: Sequence[float]) -> list[Weighted]:
    """Return runs with weights that halve with each HALF_LIFE newer ones, sorted."""
    return sorted((run, 0.5 ** (age / HALF_LIFE)) for age, run in enumerate(newest_first))
