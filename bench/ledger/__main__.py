"""`.venv/bin/python -m bench.ledger VERB --folder FOLDER`: a database with millions of final jobs.

fill fills it in SQL; compare measures drain, submissions and latency beside an empty one; retain drains while retention
deletes; plans checks that no hot statement reads more of it than of a small one. Without a folder: pin compares an empty database with one in which a transaction has been held open while many
jobs were done; soak does so for half an hour.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from bench.ledger import comparing, filling, planning, retaining, soaking
from bench.site import STORES
from src.scheduling.housekeeping import REST


def main() -> None:
    options = _options()
    {"fill": _fill, "compare": _compare, "retain": _retain, "plans": _plans, "pin": _pin, "soak": _soak}[options.verb](options)


def _fill(options: argparse.Namespace) -> None:
    until = time.monotonic() + options.seconds
    if options.store == "sqlite":
        file = options.folder / filling.FILE
        if filling.fill_sqlite(file, options.jobs, until):
            filling.finish_sqlite(file)
            print("filled")
    else:
        with filling.server(options.folder) as url:
            if filling.fill_postgresql(url, options.jobs, until):
                filling.finish_postgresql(url)
                print("filled")


def _compare(options: argparse.Namespace) -> None:
    sides = comparing.compare(
        options.folder, options.store, rounds=options.rounds, jobs=options.drained, steps=options.steps, waiting=options.waiting
    )
    _print(options, comparing.report(sides))


def _retain(options: argparse.Namespace) -> None:
    _print(
        options,
        retaining.retain(options.folder, options.store, rounds=options.rounds, jobs=options.drained, days=options.days, rest=options.rest),
    )


def _plans(options: argparse.Namespace) -> None:
    jobs, over = planning.over_limit(options.folder, options.store)
    _print(options, [f"up to job {jobs:,}", *(f"BROKEN {name}: {read} read" for name, read in over.items())])
    if over:
        raise SystemExit(1)


def _pin(options: argparse.Namespace) -> None:
    sides = comparing.compare_pinned(rounds=options.rounds, jobs=options.drained, steps=options.steps, lives=options.lives)
    _print(options, comparing.report(sides))


def _soak(options: argparse.Namespace) -> None:
    _print(options, soaking.soak(minutes=options.minutes, after=options.after, rate=options.rate))


def _print(options: argparse.Namespace, lines: list[str]) -> None:
    print(
        f"{options.verb} on {options.store}, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, load {os.getloadavg()[0]:.1f}",
        *lines,
        sep="\n  ",
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.ledger", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=["fill", "compare", "retain", "plans", "pin", "soak"])
    parser.add_argument("--store", choices=STORES, default="postgresql")
    parser.add_argument("--folder", type=Path, help="where the databases are, and stay")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="fill: final jobs")
    parser.add_argument("--seconds", type=float, default=3_600.0, help="fill: stop after so long; the next call goes on")
    parser.add_argument("--rounds", type=int, default=4, help="compare: drains of each")
    parser.add_argument("--drained", type=int, default=20_000, help="compare: jobs of a drain")
    parser.add_argument("--steps", type=int, default=200, help="compare: single submissions, starts and results of each")
    parser.add_argument("--waiting", type=int, default=100_000, help="compare: jobs that wait in the filled one")
    parser.add_argument("--days", type=float, default=15.0, help="retain: days that succeeded jobs are kept")
    parser.add_argument("--rest", type=float, default=float(REST), help="retain: pauses, in times of the work")
    parser.add_argument("--lives", type=int, default=300_000, help="pin: jobs done since the transaction began")
    parser.add_argument("--minutes", type=float, default=30.0, help="soak: of the transaction")
    parser.add_argument("--after", type=float, default=4.0, help="soak: minutes after it")
    parser.add_argument("--rate", type=int, default=500, help="soak: jobs per second")
    return parser.parse_args()


if __name__ == "__main__":
    main()
