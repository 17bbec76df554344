"""Stock Dramatiq. BENCH_VARIANT: words among `results-redis`, `confirms`."""

from __future__ import annotations

import os
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.results import Results

from bench import tally, timing

_words = os.environ.get("BENCH_VARIANT", "").split()
broker = RabbitmqBroker(url=os.environ["BENCH_AMQP"], confirm_delivery="confirms" in _words)
if "results-redis" in _words:
    from dramatiq.results.backends import RedisBackend

    broker.add_middleware(Results(backend=RedisBackend(url=os.environ["BENCH_REDIS"])))
dramatiq.set_broker(broker)


def _run() -> int | None:
    tally.count()
    return 0 if "results-redis" in _words else None


_options: dict[str, Any] = {"store_results": True} if "results-redis" in _words else {}
noop: Any = dramatiq.actor(actor_name="noop", **_options)(_run)


def _preload(jobs: int) -> None:
    for _ in range(jobs):
        noop.send()
    broker.close()  # a process that ends with an open connection may lose its last messages


if __name__ == "__main__":
    timing.main(
        {
            "preload": _preload,
            "submit": lambda jobs: timing.rate(jobs, noop.send),
            "starts": lambda jobs: timing.starts(jobs, noop.send),
            "results": lambda jobs: timing.results(jobs, lambda: noop.send().get_result(block=True, timeout=10_000)),
        }
    )
