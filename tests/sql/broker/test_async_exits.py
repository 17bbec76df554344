"""A coroutine that exits ends its own attempt, and not the event loop of all others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import dramatiq
import pytest
from dramatiq.asyncio import get_event_loop_thread

from src.broker.options.async_actors import EventLoop
from src.jobs import State
from tests.harness.attempts import Attempts, declared


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:
    event_loop = EventLoop()
    event_loop.before_worker_boot(dramatiq.get_broker(), None)
    yield
    event_loop.after_worker_shutdown(dramatiq.get_broker(), None)  # type: ignore[no-untyped-call]


async def leave(error: type[BaseException]) -> None:
    await asyncio.sleep(0)
    raise error("bye")


async def leave_in_a_task(error: type[BaseException]) -> None:
    await asyncio.create_task(leave(error))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("how", [leave, leave_in_a_task])
def test_a_coroutine_that_exits_fails_and_the_loop_goes_on(
    attempts: Attempts, how: Callable[[type[BaseException]], Awaitable[None]], error: type[BaseException]
) -> None:
    async def go_away() -> None:
        await how(error)

    async def stay() -> str:
        await asyncio.sleep(0)
        return "here"

    with declared(go_away, max_retries=3, time_limit=5_000) as going, declared(stay) as staying:
        gone = attempts.run(going.message())
        assert (gone.state, str(gone.error).partition(":")[0]) == (State.RETRYING, error.__name__)
        thread = get_event_loop_thread()
        assert thread is not None
        assert thread.is_alive()
        assert attempts.run(staying.message()).result == "here"
