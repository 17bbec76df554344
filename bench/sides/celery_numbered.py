"""Celery with results in SQL and its settings for tasks that must not be lost: `python -m bench.sides.celery_numbered`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, signals  # type: ignore[import-not-found,unused-ignore]

from bench.scenarios import notes

app: Any = Celery("bench", broker=os.environ["BENCH_AMQP"], backend="db+" + os.environ["BENCH_DATABASE"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    result_backend_always_retry=True,
    worker_prefetch_multiplier=64,
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
)
numbered: Any = app.task(name="numbered", autoretry_for=(OSError,), retry_kwargs={"max_retries": 5, "countdown": 1})(notes.work)


def _note(result: int = -1, **_: Any) -> None:
    """Celery sends this signal once the result is stored."""
    notes.note("end", result)


signals.task_success.connect(_note, weak=False)

if __name__ == "__main__":
    from bench.scenarios.producing import produce

    produce(lambda number: numbered.delay(number))
