"""One worker process without Dramatiq's main process, which would only wait for it, and costs 25 MB.

`./run worker` runs it; its supervisor starts another process when it ends. Several processes, and middleware with
processes of its own, need the `dramatiq` command.
"""

from __future__ import annotations

import logging
import random
import signal
from collections.abc import Collection

import dramatiq
from dramatiq.broker import Broker

from ..core.signals import StopSignals

#: exit code after a second request to stop
KILLED = 3


def can_run(broker: Broker) -> bool:
    """True if no middleware has processes of its own, which Dramatiq's main process starts."""
    return not any(middleware.forks for middleware in broker.middleware)


def run(broker: Broker, *, threads: int, queues: Collection[str], shutdown_timeout_s: float) -> None:
    """Run jobs until SIGTERM, SIGINT or SIGHUP, then finish those that run; a second signal ends the process. `queues`: all if empty."""
    signals = StopSignals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), exit_code=KILLED)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # as the dramatiq command does: the consumers log in their own words
    random.seed()
    broker.emit_after("process_boot")
    worker = dramatiq.Worker(broker, queues=set(queues) or None, worker_threads=threads)
    worker.start()
    signals.wait()
    worker.stop(timeout=int(shutdown_timeout_s * 1000))
    broker.close()
