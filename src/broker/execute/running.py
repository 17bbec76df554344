"""A running attempt in a worker thread: what others see of it and how they interrupt it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from dramatiq.middleware.threading import Interrupt

from ...jobs.attempts.current_job import RunningJob
from ...jobs.finish.settle import present_us
from . import stack
from .interrupts import interrupts


class Used(NamedTuple):
    """Resources that an attempt has used; None: not known."""

    cpu_us: int | None = None
    memory_bytes: int | None = None  # peak of its process, if that runs nothing else


NOT_KNOWN = Used()


class Running:
    """Created by the thread that runs the attempt, or that waits for its child process."""

    __slots__ = (
        "cpu_began_ns", "delivery", "ident", "is_isolated", "is_notified", "job", "meter", "started", "started_us", "wanted", "wants_stack",
    )  # fmt: skip

    def __init__(self, job: RunningJob, delivery: Any) -> None:
        self.job = job
        self.delivery = delivery
        self.ident = threading.get_ident()
        self.is_isolated = False
        self.is_notified = False  # of a cancel
        self.wanted: type[Interrupt] | None = None  # the interrupt that an isolated attempt's child process is to raise
        self.wants_stack = False  # of an isolated attempt: its child process is to log its stack
        self.meter: Callable[[], Used] | None = None  # of an attempt whose work is not done by this thread alone
        self.cpu_began_ns = time.thread_time_ns()
        self.started = time.monotonic()
        self.started_us = present_us()

    def used(self) -> Used:
        """Return the resources used so far; called by the attempt's own thread."""
        if self.meter is not None:
            return self.meter()
        return Used((time.thread_time_ns() - self.cpu_began_ns) // 1000)

    def interrupt(self, kind: type[Interrupt]) -> bool:
        """Raise `kind` in the actor if it runs; False: its call has not begun, has ended, or has just been interrupted."""
        if self.is_isolated:
            self.wanted = kind  # the thread that waits for the child process passes it on
            return True
        return interrupts.raise_in(self.ident, self, kind)

    def say_where(self) -> None:
        """Log the actor's stack in the attempt's log; called by any thread but its own."""
        if self.is_isolated:
            self.wants_stack = True
        else:
            self.job.log().add("stack", stack.of_thread(self.ident))
