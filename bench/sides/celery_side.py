"""Celery, prefork. BENCH_VARIANT: words among `results-sql`, `results-redis`, `confirms`, `prefetch-N`, `late`, `patient`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery  # type: ignore[import-not-found,unused-ignore]

from bench import tally, timing

_words = os.environ.get("BENCH_VARIANT", "").split()
_backend = None
if "results-sql" in _words:
    _backend = "db+" + os.environ["BENCH_DATABASE"]
elif "results-redis" in _words:
    _backend = os.environ["BENCH_REDIS"]

app: Any = Celery("bench", broker=os.environ["BENCH_AMQP"], backend=_backend)
app.conf.update(
    task_ignore_result=_backend is None,
    task_acks_late="late" in _words,
    worker_prefetch_multiplier=next((int(word[9:]) for word in _words if word.startswith("prefetch-")), 4),
    broker_transport_options={"confirm_publish": "confirms" in _words},
    broker_connection_retry_on_startup=True,
)


def _run() -> int:
    tally.count()
    return 0


# By default Celery polls SQL for a result every 0.5 s; this interval suits it best.
_looking = {} if "patient" in _words else {"interval": 0.002}
noop: Any = app.task(name="noop")(_run)


def _preload(jobs: int) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(jobs):
            noop.apply_async(producer=producer)


if __name__ == "__main__":
    timing.main(
        {
            "preload": _preload,
            "submit": lambda jobs: timing.rate(jobs, noop.delay),
            "starts": lambda jobs: timing.starts(jobs, noop.delay),
            "results": lambda jobs: timing.results(jobs, lambda: noop.delay().get(timeout=10, **_looking)),
        }
    )
