"""`.venv/bin/python -m bench.scenarios`: five scenarios for Callboard and others, all sides of a scenario one after the other.

steady     the same rate all the time
pinned     a reader holds its snapshot open for the second third of the load
killed     kill -9 of one of two worker commands
restarted  the database is stopped, and started three seconds later
burst      many jobs at once on top of the load
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time

from bench import baselines
from bench.__main__ import FOLDER
from bench.scenarios import report
from bench.scenarios.contenders import CONTENDERS
from bench.scenarios.figures import Figures
from bench.scenarios.playing import SCENARIOS, is_possible, play
from bench.scenarios.producing import Load
from bench.services import Services

#: Redis keeps what it has accepted; its documentation advises this
REDIS = ("--appendonly", "yes", "--appendfsync", "everysec")
LONG_S = 300.0


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through every `finally`
    sides = [side for side in CONTENDERS if not options.only or side.family in options.only or side.name in options.only]
    if any(side.family != "ours" for side in sides):
        baselines.provide()
    found: list[Figures] = []
    with Services(redis=REDIS) as services:
        if not services.has_redis:
            sides = [side for side in sides if side.family != "dramatiq"]
            print("Without redis-server there is no row of Dramatiq: sudo apt-get install redis-server", file=sys.stderr)
        about = {
            "jobs/s": options.rate,
            "seconds": options.seconds,
            "ms of work": options.work_ms,
            "cores": os.cpu_count(),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **services.versions(),
        }
        try:
            for scenario in options.scenarios:
                for side in sides:
                    if is_possible(scenario, side):
                        burst = options.burst if scenario == "burst" else 0
                        load = Load("", time.time(), options.rate, options.seconds, burst)
                        print(f"{scenario}, {side.name}: ", end="", file=sys.stderr, flush=True)
                        try:
                            found.append(play(services, scenario, side, load, options.work_ms))
                            print(f"{found[-1].per_second:,.0f} jobs/s, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
                        except (RuntimeError, TimeoutError, subprocess.TimeoutExpired) as error:
                            print(f"failed: {error}", file=sys.stderr, flush=True)  # one side that fails costs its own row only
        finally:
            about["load"] = round(os.getloadavg()[0], 1)
            print("\n" + ", ".join(f"{name} {value}" for name, value in about.items()) + "\n\n" + report.tables(found))
            FOLDER.mkdir(exist_ok=True)
            target = FOLDER / f"scenarios-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
            target.write_text(json.dumps({"about": about, "found": [one.text() for one in found]}, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scenarios", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def words(text: str) -> list[str]:
        return text.split(",")

    parser.add_argument("--scenarios", type=words, default=list(SCENARIOS), help="some of them (all)")
    parser.add_argument("--only", type=words, default=[], help="families: ours,celery,dramatiq,procrastinate; or a row's name")
    parser.add_argument("--rate", type=float, default=100, help="jobs submitted per second (100)")
    parser.add_argument("--seconds", type=float, default=24, help="seconds of load (24)")
    parser.add_argument("--long", action="store_const", const=LONG_S, dest="seconds", help=f"{LONG_S:.0f} seconds of load")
    parser.add_argument("--burst", type=int, default=1500, help="jobs of the burst (1500)")
    parser.add_argument("--work-ms", type=float, default=5, help="milliseconds that each job waits (5)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
