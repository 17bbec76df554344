"""End of an attempt: the next state of the job, and the record of the end with all its fields."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from dramatiq.broker import Broker
from dramatiq.errors import RateLimitExceeded, Retry

from ...jobs.core.errors import CancelRequested
from ...jobs.core.states import Outcome, State
from ...jobs.core.values import storable
from ...jobs.finish.settle import Finished, present_us
from ...logs import get_logger
from ..core.encoding import UnstorableResult
from ..options import callbacks
from ..options.limits import Limits
from ..options.retries import Decision, decide
from . import capture
from .failures import describe, misfit, trace
from .running import Running
from .stand_ins import STANDS_IN, OtherFailed

log = get_logger(__name__)

#: characters of the traceback that callbacks and hooks get in the message's options
TRACEBACK_SHOWN = 8_000


def end(running: Running, state: State, outcome: Outcome, **values: Any) -> Finished:
    """Build the end of an attempt; `values` are further fields, whose texts are masked here."""
    job, used = running.job, running.used()
    values |= {name: job.mask(values[name]) for name in ("error", "reason", "traceback") if values.get(name) is not None}
    return Finished(
        seq=job.seq,
        id=job.id,
        actor=job.actor,
        attempt=job.attempt,
        state=state,
        outcome=outcome,
        started_us=running.started_us,
        # Monotonic, not the clock: it may have been corrected meanwhile, and no attempt ends before it has begun.
        finished_us=running.started_us + int((time.monotonic() - running.started) * 1_000_000),
        cpu_us=used.cpu_us,
        memory_bytes=used.memory_bytes,
        progress=job.progress_seen,
        has_slots=running.delivery.claimed.has_slots,
        workflow_seq=running.delivery.claimed.workflow_seq,
        lines=() if job.lines is None else capture.all_lines(job),
        fair_queue=job.queue if running.delivery.claimed.is_fair else None,
        **values,
    )


def failure(broker: Broker, limits: Limits, running: Running, error: BaseException, *, above: Sequence[str]) -> Finished:
    """Build the end of an attempt that raised: a retry, or the reason for none. `above`: files whose traceback frames lie above the actor's own."""
    actor = broker.actors[running.delivery.claimed.actor]
    if isinstance(error, CancelRequested):
        return end(running, State.CANCELLED, Outcome.CANCELLED, reason="cancelled while it ran")
    unfit = misfit(actor, running.delivery, error)
    if unfit is not None:
        return end(running, State.HELD, Outcome.HELD, reason=unfit, error=unfit)
    line = describe(error)
    if isinstance(error, UnstorableResult):
        return end(running, State.DEAD, Outcome.FAILED, error=line, reason=str(error), failures=1)
    failures = running.delivery.claimed.failures
    # The end of a stand-in tells nothing about what the actor calls.
    report = None if STANDS_IN in running.delivery.options else limits.report(actor.actor_name, error)
    # A probe fails because of the outage, not the job: its remaining retries stay.
    spent = 0 if running.delivery.claimed.is_probe and report is not None else 1
    try:
        if isinstance(error, OtherFailed):
            decision = Decision(State.DEAD, str(error), exhausted=True)
        else:
            decision = decide(actor, running.delivery.options, failures, error)
    except BaseException as problem:  # the actor's own retry_when; SystemExit must not end the thread
        log.exception("retry_decision_failed", job_id=running.job.id)
        decision = Decision(State.DEAD, f"its retry rule failed: {describe(problem)}")
    if not spent and (decision.exhausted or decision.state is State.RETRYING):
        pause_ms = int(report.probe_every_s * 1000) if report else 0
        decision = Decision(State.RETRYING, f"probe of the circuit breaker failed ({type(error).__name__}): no retry was spent", pause_ms)
    traceback = trace(error, above=above)
    if not decision.is_thrown:
        running.delivery.note_failure(failures + spent, storable(running.job.mask(traceback), TRACEBACK_SHOWN))
    following, missing = callbacks.after_failure(
        broker, actor, running.delivery, error, exhausted=decision.exhausted, failures=failures, mask=running.job.mask
    )
    _log(error, decision.state, running)
    due_us = None if decision.delay_ms is None else present_us() + decision.delay_ms * 1000
    if decision.state is State.DEAD:
        running.delivery.fail()
    return end(
        running,
        decision.state,
        Outcome.FAILED,
        error=line,
        reason=decision.reason + missing,
        traceback=traceback,
        due_us=due_us,
        failures=spent,
        follow_ups=following,
        breaker=report,
    )


class Successes:
    """Log lines of successful attempts: a few a second, each with the number it stands for, so that a busy worker pays nothing."""

    #: seconds between two lines of one process
    EVERY_S = 0.2

    def __init__(self) -> None:
        self._logged_at = 0.0
        self._others = 0

    def note(self, running: Running, seconds: float) -> None:
        """Log the attempt, or count it. Threads may race for the number: it is only informative."""
        present = time.monotonic()
        if present - self._logged_at < self.EVERY_S:
            self._others += 1
            return
        self._logged_at, others, self._others = present, self._others, 0
        more = {"others_before": others} if others else {}
        log.info(
            "attempt_succeeded",
            job_id=running.job.id,
            actor=running.job.actor,
            attempt=running.job.attempt,
            seconds=round(seconds, 3),
            **more,
        )


def _log(error: BaseException, state: State, running: Running) -> None:
    fields = {"job_id": running.job.id, "actor": running.job.actor, "attempt": running.job.attempt, "next": state.value}
    if isinstance(error, Retry | RateLimitExceeded):
        log.info("attempt_retries", **fields)
    else:
        log.warning("attempt_failed", error=type(error).__name__, **fields)
