"""`.venv/bin/python -m bench.costs [OTHER …]`: what a job of a drain costs: CPU by process, commits, WAL and context switches.

With folders of other checkouts, these take turns with this one, so that a noisy minute of the machine meets all of them.
Other work on the machine makes each job dearer, by as much as a half: the best figures show the code, the medians the hour.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from bench import measures, tally
from bench.baselines import ROOT
from bench.contestants import CONTESTANTS, Contestant
from bench.processes import Group, context_switches, run
from bench.services import Place, Services

#: part of the jobs that run before counting begins: until then workers learn how short they are
WARM_UP = 0.1
#: counted values, each with the unit of one job's share
UNITS = {
    "workers": "µs of CPU",
    "broker": "µs of CPU",
    "PostgreSQL": "µs of CPU",
    "all three": "µs of CPU",
    "transactions": "that wrote",
    "WAL": "bytes",
    "switches": "of threads of the workers",
    "rate": "jobs/s",
}


def main() -> None:
    options = _options()
    contestant = next(one for one in CONTESTANTS if one.store == "postgresql")
    roots = [ROOT, *(Path(other).resolve() for other in options.others)]
    found: dict[Path, list[dict[str, float]]] = {root: [] for root in roots}
    with Services() as services:
        for number in range(options.drains):
            for root in roots if number % 2 == 0 else reversed(roots):
                found[root].append(_drain(services, contestant, root, options.jobs))
                print(
                    f"{root.name}: " + ", ".join(f"{name} {value:.4g}" for name, value in found[root][-1].items()),
                    file=sys.stderr,
                    flush=True,
                )
    for title in ("medians", "best"):
        print(f"\nOne job of a drain of {options.jobs:,}, {title} of {options.drains}, load {os.getloadavg()[0]:.1f}")
        for name, unit in UNITS.items():
            of = statistics.median if title == "medians" else max if name == "rate" else min
            values = [of([each[name] for each in found[root]]) for root in roots]
            print(f"  {name:13}" + "".join(f"{value:12.4g} ({value / values[0]:.3f})" for value in values) + f"  {unit}")


def _drain(services: Services, contestant: Contestant, root: Path, jobs: int) -> dict[str, float]:
    with services.place() as place, psycopg.connect(place.postgresql_url, autocommit=True) as connection:
        around = _environment(contestant, place, root, connection)
        run(contestant.command("preload", jobs), env=around, cwd=place.folder, timeout=measures.LIMIT_S)
        with measures.started(contestant, place, around) as worker:
            _await(worker, lambda: tally.look(place.tally).count >= jobs * WARM_UP)
            at_first, begun = tally.look(place.tally).count, time.monotonic()
            before = _counts(services, worker, connection)
            _await(worker, lambda: tally.look(place.tally).count >= jobs and not _unfinished(connection))
            seconds = time.monotonic() - begun
            after = _counts(services, worker, connection)
    counted = jobs - at_first
    shares = {name: (after[name] - before[name]) / counted for name in before}
    return {**shares, "all three": sum(shares[name] for name in ("workers", "broker", "PostgreSQL")), "rate": counted / seconds}


def _environment(contestant: Contestant, place: Place, root: Path, connection: psycopg.Connection) -> dict[str, str]:
    """Return the environment of that checkout's processes, after it has migrated the place's database from nothing."""
    around = {**contestant.environment(place), "PYTHONPATH": str(root)}
    connection.execute("DROP SCHEMA public CASCADE")
    connection.execute("CREATE SCHEMA public")
    subprocess.run([sys.executable, "-m", "src", "migrate"], cwd=root, env=around, check=True, capture_output=True)
    return around


def _await(worker: Group, is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + measures.LIMIT_S
    while not is_so():
        worker.check()
        if time.monotonic() > until:
            raise TimeoutError(f"not done within {measures.LIMIT_S:.0f} s")
        time.sleep(measures.LOOK_S)


def _unfinished(connection: psycopg.Connection) -> int:
    return int((connection.execute("SELECT count(*) FROM jobs WHERE state <> 'succeeded'").fetchone() or (0,))[0])


def _counts(services: Services, worker: Group, connection: psycopg.Connection) -> dict[str, float]:
    cpu = measures.cpu_of(services, worker)
    found = connection.execute("SELECT txid_snapshot_xmax(txid_current_snapshot()), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
    transactions, wal = found.fetchone() or (0, 0)
    return {
        "workers": cpu[0] * 1e6,
        "broker": cpu[1] * 1e6,
        "PostgreSQL": cpu[2] * 1e6,
        "transactions": float(transactions),
        "WAL": float(wal),
        "switches": float(context_switches(worker.pid)),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.costs", description=__doc__)
    parser.add_argument("others", nargs="*", help="folders of other checkouts")
    parser.add_argument("--jobs", type=int, default=20_000, help="jobs of a drain (20000)")
    parser.add_argument("--drains", type=int, default=3, help="drains of each checkout (3)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
