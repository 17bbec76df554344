"""One worker process without Dramatiq's main process, which would only wait for it, and costs 25 MB.

`./run worker` runs it; its supervisor starts another process when it ends. Several processes, and middleware with
processes of its own, need the `dramatiq` command.
"""

from __future__ import annotations

import logging
import random
import signal
import sys
import threading
import time
from collections.abc import Collection
from types import FrameType

import dramatiq
from dramatiq.broker import Broker

#: seconds in which several signals are one request: at the death of a parent the kernel sends one for each of its threads
TOGETHER_S = 2.0
#: exit code after a second request to stop
KILLED = 3


def can_run(broker: Broker) -> bool:
    """True if no middleware has processes of its own, which Dramatiq's main process starts."""
    return not any(middleware.forks for middleware in broker.middleware)


def run(broker: Broker, *, threads: int, queues: Collection[str], shutdown_timeout_s: float) -> None:
    """Run jobs until SIGTERM, SIGINT or SIGHUP, then finish those that run; a second signal ends the process. `queues`: all if empty."""
    stops = threading.Event()
    stopped_at = float("-inf")

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped_at
        if not stops.is_set():
            stopped_at = time.monotonic()
            stops.set()
        elif time.monotonic() - stopped_at > TOGETHER_S:
            sys.exit(KILLED)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # as the dramatiq command does: the consumers log in their own words
    random.seed()
    broker.emit_after("process_boot")
    worker = dramatiq.Worker(broker, queues=set(queues) or None, worker_threads=threads)
    worker.start()
    stops.wait()
    worker.stop(timeout=int(shutdown_timeout_s * 1000))
    broker.close()
