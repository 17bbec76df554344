"""Callboard's submitter: sends like any other process of a Callboard installation."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import src.actors  # noqa: F401 (makes the broker, then finds the actor)
from bench import timing
from bench.sides.ours_actor import noop
from src.broker.publish.publisher import get_publisher
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_many
from src.sql.database import write

#: jobs in one transaction of what is there before a drain
TOGETHER = 500


def _bulk(jobs: int, together: int | None = None) -> timing.Answer:
    """Submit so many, all in one call unless `together` says how many in each."""
    begun, size = time.monotonic(), together or jobs
    for begin in range(0, jobs, size):
        with write() as session:
            submit_many(session, [Submission(noop.message()) for _ in range(begin, min(begin + size, jobs))])
    committed = time.monotonic() - begun
    get_publisher().close(timeout=60)
    return {"per_second": jobs / committed, "published_per_second": jobs / (time.monotonic() - begun)}


def _backlog(jobs: int) -> None:
    """Submit so many that stay: half for next year, half into a queue without a worker."""
    next_year = datetime.now(UTC) + timedelta(days=365)
    half = jobs // 2
    for begin in range(0, half, TOGETHER):
        seconds = range(begin, min(begin + TOGETHER, half))
        with write() as session:
            submit_many(session, [Submission(noop.message(), due_at=next_year + timedelta(seconds=second)) for second in seconds])
            submit_many(session, [Submission(noop.message().copy(queue_name=timing.BACKLOG)) for _ in seconds])
    get_publisher().close(timeout=60)


def _single(jobs: int) -> timing.Answer:
    answer = timing.rate(jobs, noop.send)
    get_publisher().close(timeout=60)
    return answer


if __name__ == "__main__":
    timing.main(
        {
            "preload": lambda jobs: _bulk(jobs, TOGETHER),
            "backlog": _backlog,
            "bulk": _bulk,
            "submit": _single,
            "starts": lambda jobs: timing.starts(jobs, noop.send),
            "results": lambda jobs: timing.results(jobs, lambda: noop.send().get_result(block=True, timeout=10_000)),
        }
    )
