"""Taskiq on aio-pika, without results."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from taskiq_aio_pika import AioPikaBroker  # type: ignore[import-not-found,unused-ignore]

from bench import tally, timing

#: messages sent at once
TOGETHER = 500

broker: Any = AioPikaBroker(os.environ["BENCH_AMQP"], qos=int(os.environ.get("BENCH_VARIANT", "").removeprefix("prefetch-") or 10))


async def _run() -> None:
    tally.count()


noop: Any = broker.task(task_name="noop")(_run)


async def _connected(work: Callable[[], Awaitable[timing.Answer]]) -> timing.Answer:
    await broker.startup()
    try:
        return await work()
    finally:
        await broker.shutdown()


async def _send(jobs: int) -> timing.Answer:
    begun = time.monotonic()
    for _ in range(0, jobs, TOGETHER):
        await asyncio.gather(*(noop.kiq() for _ in range(TOGETHER)))
    return {"per_second": jobs / (time.monotonic() - begun)}


async def _starts(jobs: int) -> timing.Answer:
    taken = []
    for number in range(timing.WARM_UP + jobs):
        before = tally.look().count
        begun = time.monotonic()
        await noop.kiq()
        while (seen := tally.look()).count == before:
            await asyncio.sleep(0.005)
        if number >= timing.WARM_UP:
            taken.append((seen.last - begun) * 1000)
        await asyncio.sleep(timing.BREATH_S)
    return {"ms": taken}


if __name__ == "__main__":
    timing.main(
        {
            "preload": lambda jobs: asyncio.run(_connected(lambda: _send(jobs))),
            "submit": lambda jobs: asyncio.run(_connected(lambda: _send(jobs))),
            "starts": lambda jobs: asyncio.run(_connected(lambda: _starts(jobs))),
        }
    )
