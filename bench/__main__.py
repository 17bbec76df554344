"""`.venv/bin/python -m bench`: every measurement of every contestant, interleaved, in one run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bench import baselines, measures, report
from bench.contestants import CONTESTANTS, Contestant
from bench.services import Services

FOLDER = Path(__file__).parent / "results"
PARTS = ("drain", "submit", "latency")
Measured = TypeVar("Measured")


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through every `finally`: nothing stays behind
    wanted = [one for one in CONTESTANTS if not options.only or one.family in options.only or one.name in options.only]
    if any(one.family != "ours" for one in wanted):
        baselines.provide()
    with Services() as services:
        if not services.has_redis:
            wanted = [one for one in wanted if not one.needs_redis]
            print("Without redis-server the rows with Redis results are left out: sudo apt-get install redis-server", file=sys.stderr)
        found = report.Results()
        about = {
            "jobs": options.jobs,
            "rounds": options.repeat,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **services.versions(),
        }
        try:
            # Rounds, not blocks: a noisy minute of the machine meets every contestant.
            for number in range(options.repeat):
                for one in wanted:
                    _measure(services, one, options, found, f"{number + 1}/{options.repeat}")
        finally:
            _report(about, found)  # of an interrupted run, too


def _report(about: dict[str, Any], found: report.Results) -> None:
    print("\n" + ", ".join(f"{name} {value}" for name, value in about.items()) + "\n")
    print(report.tables(found))
    FOLDER.mkdir(exist_ok=True)
    target = FOLDER / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
    target.write_text(json.dumps({"about": about, **asdict(found)}, indent=1))
    print(f"Each round: {target.relative_to(FOLDER.parent.parent)}", flush=True)


def _measure(services: Services, one: Contestant, options: argparse.Namespace, found: report.Results, round: str) -> None:
    if "drain" in options.parts and one.in_drain:
        drained = _tried(f"{round} {one.name}: drain", partial(measures.drain, services, one, options.jobs))
        if drained is not None:
            found.drains.setdefault(one.name, []).append(drained)
            _say(f"{drained.per_second:,.0f} jobs/s")
    if "submit" in options.parts:
        for verb in one.submits:
            jobs = options.submits * (5 if verb == "bulk" else 1)
            speed = _tried(f"{round} {one.name}: {verb}", partial(measures.submit, services, one, verb, jobs))
            if speed is not None:
                name = f"{one.name}, {verb}" if one.family == "ours" else one.name
                found.submits.setdefault(name, []).append(speed)
                _say(f"{speed:,.0f} per s")
    if "latency" in options.parts:
        for verb, rounds in (("starts", found.starts), ("results", found.results)):
            if getattr(one, verb):
                ms = _tried(f"{round} {one.name}: {verb}", partial(measures.latency, services, one, verb, options.idle))
                if ms is not None:
                    rounds.setdefault(one.name, []).append(ms)
                    _say(f"p50 {sorted(ms)[len(ms) // 2]:.2f} ms")


def _tried(what: str, measure: Callable[[], Measured]) -> Measured | None:
    """One contestant that fails costs its own row only."""
    print(what, end=": ", file=sys.stderr, flush=True)
    try:
        return measure()
    except (RuntimeError, TimeoutError, subprocess.TimeoutExpired) as error:
        _say(f"failed: {error}")
        return None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000, help="jobs of a drain (20000)")
    parser.add_argument("--submits", type=int, default=2_000, help="single submissions; bulk: five times as many (2000)")
    parser.add_argument("--idle", type=int, default=200, help="jobs of a latency measurement (200)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the tables show medians (3)")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=[], help="families: ours,celery,dramatiq,taskiq; or a row's name"
    )
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS), help=f"{','.join(PARTS)} (all)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
