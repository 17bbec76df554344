"""Async actors, and the thread that runs them: Dramatiq's own, as a daemon, so that it does not keep a process alive whose main thread has ended."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.broker import Broker
from dramatiq.middleware import AsyncIO, MiddlewareError

#: seconds for the thread to start on a busy machine
START_WITHIN_S = 30.0


@lru_cache(maxsize=1024)
def is_async(function: Any) -> bool:
    """True if an actor's function, as Dramatiq calls it, runs a coroutine in the event loop's thread."""
    return inspect.iscoroutinefunction(getattr(function, "__wrapped__", None))


class EventLoop(AsyncIO):
    """Replaces Dramatiq's AsyncIO.

    With a non-daemon thread, a worker process that gets two stop signals, or fails while it boots, would neither work
    nor exit: its lease lives on, and the jobs its consumers have claimed stay "running".
    """

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:
        thread = EventLoopThread(self.logger)
        thread.daemon = True
        try:
            thread.start(timeout=START_WITHIN_S)
        except Exception as error:
            # Dramatiq logs any other error and goes on, and every coroutine would wait for ever.
            raise MiddlewareError(f"the event loop did not start within {START_WITHIN_S:.0f} s") from error
        set_event_loop_thread(thread)
