"""`python -m bench.year --store sqlite`: statistics of a year at 100 jobs/s: their size, and response times of the pages that draw them.

Writes the rows that upkeep leaves after a year, one for each actor, queue, outcome and span that is kept, in a database
without jobs. Then requests each chart's page with each range, without the cache, and prints p50, p95 and the longest.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import insert, text

from bench.console import LIMIT_MS, _database_url, _measure, _p95, _signed_in
from src.jobs.core.states import State
from src.jobs.read import histograms
from src.jobs.read.ended import SPANS, minute_of
from src.jobs.read.histograms import Histogram
from src.jobs.read.models import JobStatistics, QueueDepth
from src.jobs.upkeep.ended_counts import KEEP
from src.migrations import migrate
from src.operations.fleet import history
from src.operations.format.time_ranges import RANGES
from src.sql.clock import now
from src.sql.database import Database, get_database, use_database, write
from src.web import create_app

#: share of jobs by outcome
OUTCOMES = {State.SUCCEEDED: 0.97, State.DEAD: 0.025, State.CANCELLED: 0.005}
PAGES = ("/", "/actors", "/queues", "/actors/add?tab=jobs", "/queues/default", "/api/v1/statistics")
#: rows of one INSERT
AT_ONCE = 2_000


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
        rows = _fill(options.rate, options.actors)
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


def _fill(rate: int, actors: int) -> int:
    """Write a year's statistics as upkeep keeps them."""
    names = ["add", *[f"actor_{number}" for number in range(1, actors)]]
    written = 0
    with write() as session:
        for table, rows in ((JobStatistics, _jobs(rate, names)), (QueueDepth, _depths())):
            while part := list(islice(rows, AT_ONCE)):
                session.execute(insert(table), part)
                written += len(part)
    if not get_database().is_sqlite:
        with get_database().engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE job_statistics"))
    return written


def _spans() -> Iterator[tuple[int, int]]:
    last = minute_of(now()) - 1
    for span in SPANS:
        days = min(KEEP[span].days, 365)
        for minute in range((last - days * 1_440) // span * span, last + 1, span):
            yield span, minute


def _jobs(rate: int, names: list[str]) -> Iterator[dict[str, Any]]:
    chance = random.Random(1)
    for span, minute in _spans():
        for name in names:
            for state, share in OUTCOMES.items():
                jobs = round(rate * 60 * span * share / len(names) * chance.uniform(0.5, 1.5))
                if jobs:
                    waits, runs = (_histogram(chance, jobs) for _ in range(2))
                    yield {
                        "span": span, "minute": minute, "actor": name, "queue": "default" if name == "add" else f"queue_{len(name) % 5}", "state": state,
                        "jobs": jobs, "attempts": jobs, "wait_us": jobs * 50_000, "run_us": jobs * 400_000, "waits": waits, "runs": runs,
                    }  # fmt: skip


def _histogram(chance: random.Random, jobs: int) -> str:
    """A histogram of eight buckets around one: durations of one actor are spread over some two decades."""
    middle = chance.randrange(6, 14)
    weights = [1, 4, 12, 25, 30, 18, 8, 2]
    counts = {middle + at: jobs * weight // 100 for at, weight in enumerate(weights)}
    counts[middle + 4] += jobs - sum(counts.values())
    return histograms.write(Histogram(counts))


def _depths() -> Iterator[dict[str, Any]]:
    chance = random.Random(2)
    for span, minute in _spans():
        for queue in ("default", *(f"queue_{number}" for number in range(5))):
            yield {
                "span": span,
                "minute": minute,
                "queue": queue,
                "queued": chance.randrange(5_000),
                "running": chance.randrange(32),
                "oldest_s": chance.random() * 60,
            }


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
