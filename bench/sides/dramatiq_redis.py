"""Stock Dramatiq with Redis as its broker and for its results: `python -m bench.sides.dramatiq_redis`."""

from __future__ import annotations

import os
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from bench.scenarios import notes

#: milliseconds of silence after which another worker takes over: the lease of Callboard
SILENT_MS = 6_000


class Noting(Middleware):
    """Stands before Results, so that its after_… comes behind: the result is stored."""

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None) -> None:
        if exception is None:
            notes.note("end", message.args[0])


_url = os.environ["BENCH_REDIS"]
broker = RedisBroker(url=_url, heartbeat_timeout=SILENT_MS)
broker.add_middleware(Results(backend=RedisBackend(url=_url)))
broker.add_middleware(Noting(), before=Results)
dramatiq.set_broker(broker)
numbered: Any = dramatiq.actor(actor_name="numbered", store_results=True, min_backoff=1000, max_backoff=1000)(notes.work)

if __name__ == "__main__":
    from bench.scenarios.producing import produce

    produce(numbered.send)
