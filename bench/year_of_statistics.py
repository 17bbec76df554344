"""Statistics of a year, as upkeep leaves them: a row for each actor, queue, outcome and span that is kept, and their totals."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from bench.filling import store_rows
from src.jobs.core.states import State
from src.jobs.read import histograms
from src.jobs.read.models import JobStatistics, QueueDepth
from src.jobs.read.spans import SPANS, minute_of
from src.jobs.upkeep import actor_weeks, job_totals
from src.jobs.upkeep.ended_counts import KEEP
from src.sql.clock import now
from src.sql.database import Database

#: share of jobs by outcome
OUTCOMES = {State.SUCCEEDED: 0.97, State.DEAD: 0.025, State.CANCELLED: 0.005}
#: rows of one INSERT
AT_ONCE = 10_000


def fill(database: Database, rate: int, queues: dict[str, str]) -> int:
    """Write a year's statistics at so many jobs per second of these actors, each with its queue; return the number of rows."""
    written = 0
    for table, rows in ((JobStatistics, _jobs(rate, queues)), (QueueDepth, _depths(sorted({*queues.values()})))):
        while part := list(islice(rows, AT_ONCE)):
            store_rows(database, table, part)
            written += len(part)
    for sum_up in (job_totals.fill_older, actor_weeks.fill):
        more = True
        while more:
            with database.write() as session:
                more = bool(sum_up(session))
    return written


def _spans() -> Iterator[tuple[int, int]]:
    last = minute_of(now()) - 1
    for span in SPANS:
        days = min(KEEP[span].days, 365)
        for minute in range((last - days * 1_440) // span * span, last + 1, span):
            yield span, minute


def _jobs(rate: int, queues: dict[str, str]) -> Iterator[dict[str, Any]]:
    chance = random.Random(1)
    for span, minute in _spans():
        for name, queue in queues.items():
            for state, share in OUTCOMES.items():
                jobs = round(rate * 60 * span * share / len(queues) * chance.uniform(0.5, 1.5))
                if jobs:
                    waits, runs = (_histogram(chance, jobs) for _ in range(2))
                    yield {
                        "span": span, "minute": minute, "actor": name, "queue": queue, "state": state,
                        "jobs": jobs, "attempts": jobs, "wait_us": jobs * 50_000, "run_us": jobs * 400_000, "waits": waits, "runs": runs,
                    }  # fmt: skip


def _histogram(chance: random.Random, jobs: int) -> str:
    """A histogram of eight buckets around one: durations of one actor are spread over some two decades."""
    middle = chance.randrange(6, 14)
    weights = [1, 4, 12, 25, 30, 18, 8, 2]
    counts = histograms.empty()
    counts[middle : middle + len(weights)] = [jobs * weight // 100 for weight in weights]
    counts[middle + 4] += jobs - sum(counts)
    return histograms.write(counts)


def _depths(queues: Sequence[str]) -> Iterator[dict[str, Any]]:
    chance = random.Random(2)
    for span, minute in _spans():
        for queue in queues:
            yield {
                "span": span,
                "minute": minute,
                "queue": queue,
                "queued": chance.randrange(5_000),
                "running": chance.randrange(32),
                "oldest_s": chance.random() * 60,
            }
