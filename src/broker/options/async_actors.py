"""Async actors, and the thread that runs them: Dramatiq's own, as a daemon, so that it does not keep a process alive whose main thread has ended."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from functools import lru_cache
from typing import Any, TypeVar

from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.broker import Broker
from dramatiq.middleware import AsyncIO, MiddlewareError

from ...logs import get_logger

log = get_logger(__name__)
R = TypeVar("R")

#: seconds for the thread to start on a busy machine
START_WITHIN_S = 30.0


@lru_cache(maxsize=1024)
def is_async(function: Any) -> bool:
    """True if an actor's function, as Dramatiq calls it, runs a coroutine in the event loop's thread."""
    return inspect.iscoroutinefunction(getattr(function, "__wrapped__", None))


class LoopThread(EventLoopThread):
    """The event loop's thread, a daemon; a coroutine that exits does not end the loop, which runs those of other jobs, too."""

    def __init__(self, logger: Any) -> None:
        super().__init__(logger)
        self.daemon = True

    def run(self) -> None:
        """Run the loop until it is stopped: asyncio raises a task's SystemExit in the loop, after the task has got it."""
        try:
            while True:
                try:
                    self.loop.run_forever()
                    return
                except (SystemExit, KeyboardInterrupt):
                    log.warning("coroutine_exited")
        finally:
            self.loop.close()

    def run_coroutine(self, coro: Awaitable[R]) -> R:
        """Run the coroutine, and raise what it raises; its exit passes the loop as a value."""
        exits: list[BaseException] = []

        async def contained() -> R | None:
            try:
                return await coro
            except (SystemExit, KeyboardInterrupt) as error:
                exits.append(error)
                return None

        result = super().run_coroutine(contained())
        if exits:
            raise exits[0]
        return result  # type: ignore[return-value]


class EventLoop(AsyncIO):
    """Replaces Dramatiq's AsyncIO.

    With a non-daemon thread, a worker process that gets two stop signals, or fails while it boots, would neither work
    nor exit: its lease lives on, and the jobs its consumers have claimed stay "running".
    """

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:
        thread = LoopThread(self.logger)
        try:
            thread.start(timeout=START_WITHIN_S)
        except Exception as error:
            # Dramatiq logs any other error and goes on, and every coroutine would wait for ever.
            raise MiddlewareError(f"the event loop did not start within {START_WITHIN_S:.0f} s") from error
        set_event_loop_thread(thread)
