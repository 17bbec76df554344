"""The thread that runs async actors: Dramatiq's own, but one that does not keep a process alive whose main thread has ended."""

from __future__ import annotations

from typing import Any

from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.broker import Broker
from dramatiq.middleware import AsyncIO, MiddlewareError

#: seconds for the thread to come up on a machine that is busy with other things
START_WITHIN_S = 30.0


class EventLoop(AsyncIO):
    """Takes the place of Dramatiq's AsyncIO.

    With a thread that Python waits for, a worker process that gets two signals to stop, or fails while it boots, would neither
    work nor end: its lease lives on, and whatever its consumers have claimed stays "running".
    """

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:
        thread = EventLoopThread(self.logger)
        thread.daemon = True
        try:
            thread.start(timeout=START_WITHIN_S)
        except Exception as error:
            # Of any other error Dramatiq logs a line and goes on, and every coroutine would wait for ever.
            raise MiddlewareError(f"the event loop did not start within {START_WITHIN_S:.0f} s") from error
        set_event_loop_thread(thread)
