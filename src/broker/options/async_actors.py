"""The thread that runs async actors: Dramatiq's own, as a daemon, so that it does not keep a process alive whose main thread has ended."""

from __future__ import annotations

from typing import Any

from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.broker import Broker
from dramatiq.middleware import AsyncIO, MiddlewareError

#: seconds for the thread to start on a busy machine
START_WITHIN_S = 30.0


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
