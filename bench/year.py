"""`python -m bench.year --store sqlite`: statistics of a year at 100 jobs/s: their size, and response times of the pages that draw them.

Writes the rows that upkeep leaves after a year, one for each actor, queue, outcome and span that is kept, in a database
with few jobs. Then requests each chart's page with each range, without the cache, and prints p50, p95 and the longest.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from sqlalchemy import text

from bench.console import LIMIT_MS, _database_url, _measure, _p95, _signed_in
from bench.filling import fill as fill_jobs
from bench.filling import settle
from bench.year_of_statistics import fill
from src.migrations import migrate
from src.operations.fleet.figures import history
from src.operations.format.time_ranges import RANGES
from src.sql.clock import now
from src.sql.database import Database, get_database, use_database
from src.web import create_app

PAGES = ("/", "/actors", "/queues", "/actors/add?tab=jobs", "/queues/default", "/api/v1/statistics")

JOBS = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--rate", type=int, default=100, help="jobs per second")
    parser.add_argument("--actors", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with _database_url(options.store, None) as url:
        os.environ["CALLBOARD_DATABASE_URL"] = url
        migrate(url)
        use_database(Database(url))
        before, begun = _size(), time.monotonic()
        rows = fill(get_database(), options.rate, _queues(options.actors))
        fill_jobs(get_database(), JOBS)  # the overview without a job has no charts
        settle(get_database())
        print(
            f"{rows:,} rows of a year at {options.rate} jobs/s of {options.actors} actors: {(_size() - before) / 1e6:.1f} MB, written in {time.monotonic() - begun:.0f} s"
        )
        client = _signed_in(create_app())
        ranges = [f"range={name}" for name in RANGES] + [_days_ago(number) for number in (60, 399)]
        paths = [f"{page}{'&' if '?' in page else '?'}{each}" for page in PAGES for each in ranges]
        history.FRESH_S = 0.0  # without the cache
        took = _measure(client, paths, options.rounds)
    if slow := [path for path in paths if _p95(took[path]) > LIMIT_MS]:
        sys.exit(f"p95 is over {LIMIT_MS:g} ms: {', '.join(slow)}")


def _queues(actors: int) -> dict[str, str]:
    """Map actors to queues: a third of them share one."""
    return {"add": "default"} | {f"actor_{number}": "default" if number % 3 == 0 else f"queue_{number % 5}" for number in range(1, actors)}


def _days_ago(days: int) -> str:
    since = now().timestamp() - days * 86_400
    return f"from={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(since))}"


def _size() -> int:
    """Bytes of the database."""
    with get_database().engine.connect() as connection:
        if get_database().is_sqlite:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            return int(pages * connection.execute(text("PRAGMA page_size")).scalar_one())
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


if __name__ == "__main__":
    main()
