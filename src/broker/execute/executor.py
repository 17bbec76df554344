"""Executor: runs claimed jobs in a worker's threads, each to the end of its attempt, and passes the ends to the committer.

Replaces Dramatiq's WorkerThread.process_message, with the same hooks in the same order.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ...jobs.attempts.current_job import current_job
from ...jobs.core.errors import CancelRequested
from ...jobs.core.states import Outcome, State
from ...jobs.finish.settle import Finished
from ...logs import get_logger
from ...telemetry import metering, tracing
from ..consume.deliveries import Delivery
from ..core.load import Load
from ..options.async_actors import is_async
from ..options.isolation import terms
from .attempt import OWN_FILES, AttemptRunner, LostLease
from .endings import Successes, end, failure
from .failures import describe
from .interpreter_state import own_arithmetic
from .running import NOT_KNOWN, Running, Used
from .stand_ins import STANDS_IN

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IsolatedEnd:
    """End of a child process: with the attempt's end, with an end that it committed itself, or killed for `error`."""

    finished: Finished | None = None
    is_committed: bool = False
    is_lost: bool = False  # the lease
    error: BaseException | None = None
    used: Used = NOT_KNOWN  # by a process that was killed


class Children(Protocol):
    """The pool of child processes, which run isolated attempts."""

    def run(self, running: Running, module: str, limit_ms: float | None) -> IsolatedEnd:
        """Run the attempt in its own process; return when that process is gone. `module` is the actor's."""
        ...


class StatusPage(Protocol):
    """Records for the watchdog which attempt each thread runs, so that a crash is blamed on these alone."""

    def enter(self, seq: int, attempt: int) -> None: ...
    def leave(self) -> None: ...


class Executor:
    """Runs claimed jobs of one process; every worker thread calls `run`.

    `commit` accepts each end, or None if the attempt has committed it and only the ack is left. `keep_lines` writes the
    remaining log of an attempt whose end the committer does not write.
    """

    def __init__(
        self,
        attempts: AttemptRunner,
        load: Load,
        *,
        children: Children,
        status_page: StatusPage,
        commit: Callable[[Finished | None, Delivery], None],
        keep_lines: Callable[[Running], None],
    ) -> None:
        self.attempts = attempts
        self._broker = attempts.broker
        self._load = load
        self._children = children
        self._status_page = status_page
        self._commit = commit
        self._keep_lines = keep_lines
        self._successes = Successes()

    def run(self, delivery: Delivery) -> None:
        """Run one claimed job to the end of its attempt, in its own context; raises nothing."""
        context = copy_context()
        context.run(own_arithmetic)
        context.run(self._run, delivery)

    def _run(self, delivery: Delivery) -> None:
        running = Running(self.attempts.running_job(delivery), delivery)
        current_job.job = running.job
        self._load.start(running)
        finished: Finished | None = None
        outcome: str = "lost"
        try:
            spans = tracing.active()
            if spans is None:
                finished = self._carry_out(running)
            else:
                finished = spans.attempt(delivery.claimed, delivery.options, self.attempts.lease.name, partial(self._carry_out, running))
            outcome = Outcome.SUCCEEDED if finished is None else finished.outcome
        except LostLease:
            log.warning("lease_was_lost", job_id=running.job.id, attempt=running.job.attempt)
        except BaseException as error:
            # A hook's MiddlewareError or SystemExit, or an exception whose own methods raise: it ends this job, never the thread.
            log.exception("end_not_decided", job_id=running.job.id)
            reason = f"its end could not be decided: {describe(error)}"
            finished = end(running, State.DEAD, Outcome.FAILED, error=describe(error), reason=reason, failures=1)
            outcome = Outcome.FAILED
        finally:
            self._status_page.leave()
            self._load.stop()
            if finished is None:
                self._keep_lines(running)
            current_job.job = None
            self._answer(finished, delivery)
            duration_s = time.monotonic() - running.started
            if outcome == Outcome.SUCCEEDED:
                self._successes.note(running, duration_s)
            self._load.finished(duration_s)
            meters = metering.active()
            if meters is not None:
                meters.attempt(running.job.actor, outcome, duration_s)
            # A stored exception would keep the actor's frames alive until the next garbage collection.
            delivery.clear_exception()

    def _carry_out(self, running: Running) -> Finished | None:
        isolated, limit_ms = terms(self._broker.actors[running.job.actor], running.delivery.options)
        if is_async(self._broker.actors[running.job.actor].fn):
            running.meter = Used  # its coroutine runs in the event loop's thread, beside others
        if isolated and STANDS_IN not in running.delivery.options:
            return self._isolate(running, limit_ms)
        self._status_page.enter(running.job.seq, running.job.attempt)
        return self.attempts.run(running)

    def _isolate(self, running: Running, limit_ms: float | None) -> Finished | None:
        """Run the attempt in a child process; hooks and the decision run there unless it is killed."""
        running.is_isolated, running.meter = True, Used
        actor = self._broker.actors[running.delivery.claimed.actor]
        ending = self._children.run(running, getattr(actor.fn, "__module__", ""), limit_ms)
        if ending.is_lost:
            raise LostLease
        if ending.error is not None:
            running.meter = lambda: ending.used
            running.delivery.stuff_exception(ending.error)
            self.attempts.hooks.after("process_message", running.delivery, exception=ending.error)
            if isinstance(ending.error, CancelRequested):
                return end(running, State.CANCELLED, Outcome.CANCELLED, reason=f"cancelled while it ran: {ending.error}")
            return failure(self._broker, self.attempts.limits, running, ending.error, above=OWN_FILES)
        finished = ending.finished
        if finished is not None and running.job.lines is not None:
            finished.lines = (*running.job.lines.pending(), *finished.lines)
        if finished is not None and finished.traceback is not None:
            running.delivery.note_failure(running.delivery.claimed.failures + finished.failures, finished.traceback)
        if finished is not None and finished.state is State.DEAD:
            running.delivery.fail()
        return finished

    def _answer(self, finished: Finished | None, delivery: Delivery) -> None:
        event = "nack" if delivery.failed else "ack"
        self.attempts.hooks.before(event, delivery)
        self._commit(finished, delivery)
        self.attempts.hooks.after(event, delivery)
