"""Forecasts over 1,000 jobs: step load, a rate limit, a pause, slower runs. How many end before their p90, and how soon again after a change?

    .venv/bin/python -m bench.forecasts

Clock, threads and RabbitMQ are simulated (`bench.simulated`); submission, claims, limits, ends and forecasts are the product's, on SQLite.
Also: when is a backlog gone after a changed limit, and how good is a Monte Carlo simulation instead of the fluid model?
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bench.simulated import QUEUE, Fleet, simulated
from bench.site import tell
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.jobs.forecasts.backlogs import Change, what_if
from src.jobs.forecasts.forecast import Forecaster
from src.jobs.forecasts.model import Prediction
from src.jobs.limits import overrides
from src.jobs.read.queries import find

#: forecasts that are made and judged
FORECASTS = 1_000
#: share that must end before their p90
GOAL = (0.85, 0.95)
#: seconds after a change within which forecasts must be right again, and of the stretch after that over which this is counted
AGAIN_S, JUDGED_S = 600.0, 600.0
#: share within which forecasts count as right again, of a stretch of some eighty
RIGHT_AGAIN = (0.80, 1.0)
#: greatest error of the time at which a backlog is gone after a changed limit
CLEAR_ERROR = 0.10
THREADS = 2
DRAWS = 200
MINUTE = 60.0


@dataclass
class Asked:
    """A forecast of one job, made at its submission."""

    at: float
    phase: str
    said: Prediction
    raw: Prediction
    drawn: tuple[float, float]  # p50 and p90 of the Monte Carlo simulation
    took: float | None = None


@dataclass
class Trial:
    """The hours of one seed."""

    fleet: Fleet
    each: int  # one job of so many is asked about
    phase: str = ""
    asked: dict[str, Asked] = field(default_factory=dict)
    unknown: int = 0
    seconds: list[float] = field(default_factory=list)
    drawing: list[float] = field(default_factory=list)
    count: int = 0

    def ask(self, id: str) -> None:
        self.count += 1
        if self.count % self.each or not self.phase:
            return
        with self.fleet.database.read() as session:
            job = find(session, id)
            assert job is not None
            begun = time.perf_counter()
            forecaster = Forecaster(session, {})
            standing, raw, _ = forecaster.raw(job)
            said = None if raw is None else forecaster.calibrated(job, raw)
            self.seconds.append(time.perf_counter() - begun)
            if raw is None or said is None:
                self.unknown += 1
                return
            begun = time.perf_counter()
            drawn = draw(
                self.fleet.random,
                forecaster,
                job,
                standing.ahead or 0,
                standing.situation.fixed_s,
                [g.per_s for g in standing.situation.gates[1:]],
            )
            self.drawing.append(time.perf_counter() - begun)
            self.asked[id] = Asked(self.fleet.present, self.phase, said, raw, drawn)

    def ended(self, id: str) -> None:
        if id in self.asked:
            self.asked[id].took = self.fleet.present - self.asked[id].at


def draw(
    random_: random.Random, forecaster: Forecaster, job: Job, ahead: int, fixed_s: float, limits: Sequence[float]
) -> tuple[float, float]:
    """Simulate the threads with runs drawn from the history; return p50 and p90 of the job's end."""
    mine = [run for run, _ in forecaster.history.runs(job.actor or "") or [(1.0, 1.0)]]
    all_ = [each.busy_s for each in forecaster.history._ended if each.queue == job.queue][:200] or mine
    ends = []
    for _ in range(DRAWS):
        free = [random_.random() * random_.choice(all_) for _ in range(THREADS)]
        heapq.heapify(free)
        for _ in range(ahead):
            heapq.heapreplace(free, free[0] + random_.choice(all_))
        start = max([free[0], *(ahead / per_s for per_s in limits)])
        ends.append(fixed_s + start + random_.choice(mine))
    ends.sort()
    return ends[DRAWS // 2], ends[DRAWS * 9 // 10]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--each", type=int, default=4, help="ask about one job of so many")
    chosen = options.parse_args()
    with simulated(THREADS, chosen.seed) as fleet:
        trial = Trial(fleet, chosen.each)
        fleet.asked, fleet.ended = trial.ask, trial.ended
        changes, clears = hours(trial)
    judged = [each for each in trial.asked.values() if each.took is not None]
    lines, kept = report(trial, judged, changes, clears)
    tell("forecasts", f"SQLite, simulated clock, seed {chosen.seed}", lines, kept)


def hours(trial: Trial) -> tuple[dict[str, float], list[tuple[str, float, float]]]:
    """Let hours pass; return when what changed, and what clear times were forecast and found."""
    fleet, changes, clears = trial.fleet, dict[str, float](), list[tuple[str, float, float]]()
    load(fleet, per_s=0.6)
    fleet.until(10 * MINUTE)

    def phase(name: str, minutes: float, **how: float) -> None:
        trial.phase, changes[name] = name, fleet.present
        if how:
            load(fleet, **how)
        fleet.until(fleet.present + minutes * MINUTE)

    phase("steady", 20)
    phase("step load", 5, per_s=2.5)
    phase("backlog", 20, per_s=0.45)
    with fleet.database.write() as session:
        overrides.set_rate_limit(session, "queue", QUEUE, "30/m")
    phase("rate limit", 20, per_s=0.6)
    clears.append(cleared(trial, Change(rate="60/m"), lambda session: overrides.set_rate_limit(session, "queue", QUEUE, "60/m")))
    phase("limit raised", 20, per_s=0.5)
    with fleet.database.write() as session:
        overrides.set_rate_limit(session, "queue", QUEUE, None)
        overrides.pause(session, "queue", QUEUE, until=fleet.now() + timedelta(minutes=5))
    phase("pause", 25, per_s=0.5)
    phase("runs three times as long", 25, per_s=0.25, times=3.0)
    phase("runs short again", 25, per_s=0.6)
    return changes, clears


def load(fleet: Fleet, *, per_s: float, times: float = 1.0) -> None:
    """Change how many jobs arrive, and how long they run: nine tenths about 1 s, one tenth about 6 s."""
    random_ = fleet.random

    def runs() -> tuple[str, float]:
        if random_.random() < 0.1:
            return "export", times * random_.lognormvariate(1.6, 0.6)
        return "mail", times * random_.lognormvariate(-0.1, 0.5)

    fleet.arrive, fleet.runs = lambda: random_.expovariate(per_s), runs


def cleared(trial: Trial, change: Change, do: Callable[..., None]) -> tuple[str, float, float]:
    """Forecast when the backlog is gone after a change, make it, and let the time pass until it is gone."""
    fleet = trial.fleet
    with fleet.database.read() as session:
        found = what_if(Forecaster(session, {}), QUEUE, change)
    with fleet.database.write() as session:
        do(session)
    begun = fleet.present
    while waiting(fleet):
        fleet.until(fleet.present + 1)
    assert found.changed is not None
    return f"rate {change.rate}, {found.changed.waiting} waiting", found.changed.p50 or float("nan"), fleet.present - begun


def waiting(fleet: Fleet) -> bool:
    with fleet.database.read() as session:
        few = session.query(Job.seq).filter(Job.state.in_([State.QUEUED, State.SCHEDULED])).limit(3).all()
    return len(few) > 2


def report(
    trial: Trial, judged: list[Asked], changes: dict[str, float], clears: list[tuple[str, float, float]]
) -> tuple[list[str], list[tuple[str, bool]]]:
    share = right(judged, lambda each: each.said.end_p90)
    lines = [
        f"{len(trial.asked)} forecasts over {trial.fleet.present / 3600:.1f} simulated hours, {len(judged)} judged, {trial.unknown} unknown",
        f"ended before their p90: {share:.1%}, before their p50: {right(judged, lambda each: each.said.end_p50):.1%}",
        f"without calibration: {right(judged, lambda each: each.raw.end_p90):.1%}; Monte Carlo without it: {right(judged, lambda each: each.drawn[1]):.1%}",
        f"mean loss at p90: said {loss(judged, lambda e: e.said.end_p90, 0.9):.2f} s, raw {loss(judged, lambda e: e.raw.end_p90, 0.9):.2f} s, Monte Carlo {loss(judged, lambda e: e.drawn[1], 0.9):.2f} s",
        f"mean loss at p50: said {loss(judged, lambda e: e.said.end_p50, 0.5):.2f} s, raw {loss(judged, lambda e: e.raw.end_p50, 0.5):.2f} s, Monte Carlo {loss(judged, lambda e: e.drawn[0], 0.5):.2f} s",
        f"a forecast takes p50 {statistics.median(trial.seconds) * 1000:.1f}, most {max(trial.seconds) * 1000:.0f} ms; {DRAWS} draws p50 {statistics.median(trial.drawing) * 1000:.1f}, most {max(trial.drawing) * 1000:.0f} ms",
    ]  # fmt: skip
    kept = [
        (f"at least {FORECASTS} jobs", len(judged) >= FORECASTS),
        (f"{GOAL[0]:.0%} to {GOAL[1]:.0%} end before their p90", GOAL[0] <= share <= GOAL[1]),
    ]
    for name, at in changes.items():
        phase = [each for each in judged if each.phase == name]
        again = [each for each in judged if at + AGAIN_S <= each.at < at + AGAIN_S + JUDGED_S]
        first = [each for each in judged if at <= each.at < at + AGAIN_S]
        lines.append(
            f"{name}: {right(phase, lambda e: e.said.end_p90):.0%} of {len(phase)}; first ten minutes {right(first, lambda e: e.said.end_p90):.0%} of {len(first)}, next ten {right(again, lambda e: e.said.end_p90):.0%} of {len(again)}; took p50 {statistics.median(e.took or 0 for e in phase):.0f} s"
        )
        kept.append(
            (
                f"right again ten minutes after: {name}",
                not again or RIGHT_AGAIN[0] <= right(again, lambda e: e.said.end_p90) <= RIGHT_AGAIN[1],
            )
        )
    for what, forecast, found in clears:
        lines.append(f"backlog gone, {what}: forecast {forecast:.0f} s, took {found:.0f} s, {forecast / found - 1:+.1%}")
        kept.append((f"a changed limit's clear time within {CLEAR_ERROR:.0%}", abs(forecast / found - 1) <= CLEAR_ERROR))
    return lines, kept


def right(asked: Sequence[Asked], of: Callable[[Asked], float]) -> float:
    """The share of jobs that ended before this prediction."""
    return sum((each.took or 0) <= of(each) for each in asked) / len(asked) if asked else float("nan")


def loss(asked: Sequence[Asked], of: Callable[[Asked], float], level: float) -> float:
    """The mean pinball loss: least for the true quantile."""
    errors = [(each.took or 0) - of(each) for each in asked]
    return statistics.mean(max(level * error, (level - 1) * error) for error in errors)


if __name__ == "__main__":
    main()
