"""`.venv/bin/python -m bench.checkouts OTHER …`: this checkout beside others, taking turns job by job.

All use the same RabbitMQ and PostgreSQL, each with a virtual host, a database and idle workers of its own. A noisy
second of the machine meets all of them, so that differences of some per cent show even on a busy one.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench import measures
from bench.baselines import ROOT
from bench.contestants import CONTESTANTS, Contestant
from bench.services import Place, Services

STEPPING = ROOT / "bench" / "sides" / "stepping.py"
STEPS = ("starts", "results", "submit")
#: steps of each checkout that do not count
WARM_UP = 20


@dataclass
class Side:
    """One checkout with its own place, and what was measured."""

    root: Path
    contestant: Contestant
    found: dict[str, list[float]] = field(default_factory=dict)

    def environment(self, place: Place) -> dict[str, str]:
        """Return the environment of this checkout's processes, after it has migrated the place's database from nothing."""
        environment = {**self.contestant.environment(place), "PYTHONPATH": str(self.root)}
        place.sqlite_file.unlink(missing_ok=True)
        with psycopg.connect(place.postgresql_url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        subprocess.run([sys.executable, "-m", "src", "migrate"], cwd=self.root, env=environment, check=True, capture_output=True)
        return environment


def main() -> None:
    options = _options()
    with Services() as services:
        for contestant in CONTESTANTS:
            if contestant.store in options.stores:
                sides = [Side(root, contestant) for root in (ROOT, *(Path(other).resolve() for other in options.others))]
                _steps(services, sides, options.steps, options.rounds)
                for number in range(options.drains):
                    for side in sides if number % 2 == 0 else reversed(sides):
                        _drain(services, side, options.jobs)
                _report(contestant.name, sides)


def _steps(services: Services, sides: list[Side], verbs: list[str], rounds: int) -> None:
    with ExitStack() as ending:
        places = [ending.enter_context(services.place()) for _ in sides]
        environments = [side.environment(place) for side, place in zip(sides, places, strict=True)]
        for found, side in zip(steps(sides[0].contestant, list(zip(places, environments, strict=True)), verbs, rounds), sides, strict=True):
            side.found |= found


def steps(
    contestant: Contestant, sides: Sequence[tuple[Place, dict[str, str]]], verbs: Sequence[str], rounds: int
) -> list[dict[str, list[float]]]:
    """Start workers and a submitter in each place, with its environment, and let them take turns step by step; return each one's figures by verb."""
    with ExitStack() as ending:
        submitters: list[tuple[dict[str, list[float]], subprocess.Popen[str]]] = []
        for place, environment in sides:
            ending.enter_context(measures.started(contestant, place, environment))
            command = [str(contestant.programs / "python"), str(STEPPING)]
            process = subprocess.Popen(command, env=environment, cwd=place.folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            ending.callback(process.wait, 20)
            ending.callback(process.terminate)
            submitters.append(({}, process))
        for verb in verbs:
            for number in range(WARM_UP + rounds):
                for found, process in submitters if number % 2 == 0 else reversed(submitters):
                    assert process.stdin is not None
                    assert process.stdout is not None
                    process.stdin.write(f"{verb}\n")
                    process.stdin.flush()
                    answer = float(process.stdout.readline())
                    if number >= WARM_UP:
                        found.setdefault(verb, []).append(answer)
        return [found for found, _ in submitters]


def _drain(services: Services, side: Side, jobs: int) -> None:
    drained = measures.drain(services, side.contestant, jobs, side.environment)
    side.found.setdefault("drain", []).append(drained.per_second)
    side.found.setdefault("worker CPU", []).append(drained.worker_cpu * 1000)


def _report(name: str, sides: list[Side]) -> None:
    print(f"\n{name}")
    for what in sides[0].found:
        unit = {"submit": "per s", "drain": "jobs/s", "worker CPU": "µs per job"}.get(what, "ms")
        first = statistics.median(sides[0].found[what])
        for side in sides:
            middle = statistics.median(side.found[what])
            low, _, high = statistics.quantiles(side.found[what], n=4)
            print(
                f"  {what:10} {side.root.name:24} median {middle:9.2f} {unit:10} (quarters {low:.2f} to {high:.2f}, {len(side.found[what])}"
                f" times) {middle / first:.3f}",
                flush=True,
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.checkouts", description=__doc__)
    parser.add_argument("others", nargs="+", help="folders of other checkouts")
    parser.add_argument("--rounds", type=int, default=200, help="steps of each kind and checkout (200)")
    parser.add_argument("--steps", type=lambda text: text.split(",") if text else [], default=list(STEPS), help=f"{','.join(STEPS)} (all)")
    parser.add_argument("--drains", type=int, default=3, help="drains of each checkout (3)")
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs of a drain (10000)")
    parser.add_argument("--stores", type=lambda text: text.split(","), default=["postgresql", "sqlite"], help="postgresql,sqlite (both)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
