"""Procrastinate: `python -m bench.sides.procrastinate_side prepare | load | work`. Stalled jobs are retried as its documentation says."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import procrastinate  # type: ignore[import-not-found,unused-ignore]

from bench.scenarios import notes

#: threads of a worker, as the other sides have
THREADS = 8
#: seconds: the lease and heartbeat of Callboard
SILENT_S, HEARTBEAT_S = 6.0, 2.0

_url = os.environ["BENCH_DATABASE"].replace("postgresql+psycopg:", "postgresql:")
app: Any = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=_url, max_size=THREADS + 4))
_finish = app.job_manager.finish_job


async def _finish_and_note(job: Any, status: Any, delete_job: bool) -> None:
    await _finish(job=job, status=status, delete_job=delete_job)
    if "number" in job.task_kwargs:
        notes.note("end", job.task_kwargs["number"])


app.job_manager.finish_job = _finish_and_note


def _numbered(number: int) -> None:
    notes.work(number)


async def _retry_stalled(timestamp: int) -> None:
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=SILENT_S):
        await app.job_manager.retry_job(job)


numbered: Any = app.task(name="numbered", retry=procrastinate.RetryStrategy(max_attempts=5, wait=1))(_numbered)
retry_stalled: Any = app.periodic(cron="*/2 * * * * *")(app.task(name="retry_stalled", queueing_lock="retry_stalled")(_retry_stalled))


def _load() -> None:
    from bench.scenarios.producing import produce

    with app.replace_connector(procrastinate.SyncPsycopgConnector(conninfo=_url)) as own, own.open():
        task = own.tasks["numbered"]

        def bulk(numbers: Sequence[int]) -> None:
            task.batch_defer(*({"number": number} for number in numbers))

        produce(lambda number: task.defer(number=number), bulk)


def _prepare() -> None:
    with app.replace_connector(procrastinate.SyncPsycopgConnector(conninfo=_url)) as own, own.open():
        own.schema_manager.apply_schema()


def _work() -> None:
    app.run_worker(concurrency=THREADS, update_heartbeat_interval=HEARTBEAT_S, stalled_worker_timeout=SILENT_S)


if __name__ == "__main__":
    {"load": _load, "prepare": _prepare, "work": _work}[sys.argv[1]]()
