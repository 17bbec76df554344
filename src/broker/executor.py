"""The executor: one claimed job through the middleware and the actor to its end, handed to the committer.

It takes the place of Dramatiq's WorkerThread.process_message, with the same hooks in the same order, so that what
must hold (the decision, the transaction, the record) does not depend on a hook. Only hooks that some middleware
overrides are called: two dozen empty calls per job cost more than the job.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import datetime
from functools import partial
from typing import Any

from dramatiq import Middleware
from dramatiq.broker import Broker
from dramatiq.middleware import MiddlewareError, SkipMessage

from src import metering, tracing
from src.broker import capture, follow_ups
from src.broker import interrupts as interrupts_module
from src.broker.deliveries import Delivery
from src.broker.encoding import encode_result
from src.broker.endings import Successes, end, failure
from src.broker.failures import describe
from src.broker.groups import membership
from src.broker.holders import Holder
from src.broker.interrupts import interrupts
from src.broker.isolation import terms
from src.broker.running import Running
from src.broker.signature import Signature
from src.broker.standing_in import STANDS_IN, result_of
from src.broker.time_limit import DEFAULT_LIMIT
from src.database import from_microseconds, get_database, is_outage
from src.jobs import claims, result_files
from src.jobs.completion import Finished, present_us, settle
from src.jobs.current import RunningJob, current_job
from src.jobs.errors import CancelRequested
from src.jobs.masking import Masking
from src.jobs.states import Outcome, State
from src.jobs.values import dumps, text_of
from src.logs import get_logger
from src.schedules.ticks import SCHEDULED_FOR
from src.settings import get_settings

log = get_logger(__name__)

#: where frames of a traceback are ours above the actor's own
OWN_FILES = (__file__, interrupts_module.__file__)
#: microseconds until the next attempt of a job whose own commit met an outage
OUTAGE_PAUSE_US = 2_000_000


class LostLease(Exception):
    """The attempt ended, but its lease had been given away: nothing of it is kept."""


class Executor:
    """Runs claimed jobs of one process; every worker thread calls `run`, the process of an isolated attempt `attempt`."""

    def __init__(self, broker: Broker, crew: Holder) -> None:
        self._broker = broker
        self._crew = crew
        self._successes = Successes()
        self._signatures: dict[Any, Signature] = {}  # looked up for each job, which a dictionary of weak references makes slow
        self._before = _overriding(broker, "before_process_message")
        self._after = _overriding(broker, "after_process_message")[::-1]
        self._after_skip = _overriding(broker, "after_skip_message")[::-1]
        self._answered = {
            kind: (_overriding(broker, f"before_{kind}"), _overriding(broker, f"after_{kind}")[::-1]) for kind in ("ack", "nack")
        }

    def run(self, delivery: Delivery) -> None:
        """Run one claimed job to the end of its attempt, in a context of its own; raises nothing."""
        copy_context().run(self._run, delivery)

    def _run(self, delivery: Delivery) -> None:
        running = Running(self.as_running_job(delivery), delivery)
        current_job.job = running.job
        self._crew.load.start(running)
        finished: Finished | None = None
        outcome = "lost"
        try:
            spans = tracing.active()
            if spans is None:
                finished = self._carry_out(running)
            else:
                finished = spans.attempt(delivery.claimed, delivery.options, self._crew.name, partial(self._carry_out, running))
            outcome = Outcome.SUCCEEDED.value if finished is None else finished.outcome.value
        except LostLease:
            log.warning("lease_was_lost", job_id=running.job.id, attempt=running.job.attempt)
        except Exception as error:
            # A hook's MiddlewareError, or an exception that breaks whatever looks at it: it ends this job, never the thread.
            log.exception("end_not_decided", job_id=running.job.id)
            reason = f"its end could not be decided: {describe(error)}"
            finished = end(running, State.DEAD, Outcome.FAILED, error=describe(error), reason=reason, failures=1)
            outcome = Outcome.FAILED.value
        finally:
            self._crew.ledger.leave()
            self._crew.load.stop()
            if finished is None:
                self._crew.keep_lines(running)
            current_job.job = None
            self._answer(finished, delivery)
            duration_s = time.monotonic() - running.started
            if outcome == Outcome.SUCCEEDED:
                self._successes.note(running, duration_s)
            self._crew.load.finished(duration_s)
            meters = metering.active()
            if meters is not None:
                meters.attempt(running.job.actor, outcome, duration_s)
            # A kept exception would keep the frames of the actor alive until the next collection.
            delivery.clear_exception()

    def _carry_out(self, running: Running) -> Finished | None:
        isolated, limit_ms = terms(self._broker.actors[running.job.actor], running.delivery.options)
        if isolated and STANDS_IN not in running.delivery.options:
            return self._in_a_cell(running, limit_ms)
        self._crew.ledger.enter(running.job.seq, running.job.attempt)
        return self.attempt(running)

    def attempt(self, running: Running) -> Finished | None:
        """Carry the attempt out here; its end, or None if its own transaction has written it already. Raises LostLease."""
        delivery = running.delivery
        actor = self._broker.actors[delivery.claimed.actor]
        try:
            try:
                self._emit(self._before, delivery)
                result = self._call(actor, running)
                self._emit(self._after, delivery, result=result)
                encoded = encode_result(result)
                if running.job.secrets is not None:
                    encoded = dumps(running.job.secrets.value(json.loads(encoded)))
                following = follow_ups.after_success(self._broker, actor, delivery, encoded)
                kept = self._keep(running, encoded)
                report = self._crew.limits.report(actor.actor_name, None)
                finished = end(
                    running,
                    State.SUCCEEDED,
                    Outcome.SUCCEEDED,
                    **kept,
                    follow_ups=following,
                    breaker=report,
                    group=membership(delivery.options),
                )
                return self._commit_own(running, finished)
            finally:
                self._close_own(running)
        except SkipMessage as skip:
            self._emit(self._after_skip, delivery)
            return end(running, State.CANCELLED, Outcome.CANCELLED, reason=f"skipped by a middleware: {text_of(skip)}".rstrip(": "))
        except LostLease:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever an actor raises ends its attempt, SystemExit too
            delivery.stuff_exception(error)
            self._emit(self._after, delivery, exception=error)
            return failure(self._broker, self._crew, running, error, above=OWN_FILES)

    def _keep(self, running: Running, encoded: str) -> dict[str, Any]:
        """The fields of the end that hold the result: in the row, or in a file that is safe before the row names it. Raises OSError."""
        if len(encoded) <= get_settings().inline_result_bytes:
            return {"result": encoded}
        return {"result_file": result_files.keep(running.job.seq, running.job.attempt, encoded), "result_bytes": len(encoded)}

    def _in_a_cell(self, running: Running, limit_ms: float | None) -> Finished | None:
        """Have the attempt carried out in a process of its own; hooks and decision are made there unless it was killed."""
        running.is_isolated = True
        actor = self._broker.actors[running.delivery.claimed.actor]
        ending = self._crew.cells.run(running, getattr(actor.fn, "__module__", ""), limit_ms)
        if ending.is_lost:
            raise LostLease
        if ending.error is not None:
            running.delivery.stuff_exception(ending.error)
            self._emit(self._after, running.delivery, exception=ending.error)
            if isinstance(ending.error, CancelRequested):
                return end(running, State.CANCELLED, Outcome.CANCELLED, reason=f"cancelled while it ran: {ending.error}")
            return failure(self._broker, self._crew, running, ending.error, above=OWN_FILES)
        finished: Finished | None = ending.finished
        if finished is not None and running.job.lines is not None:
            finished.lines = (*running.job.lines.pending(), *finished.lines)
        if finished is not None and finished.state is State.DEAD:
            running.delivery.fail()
        return finished

    def _call(self, actor: Any, running: Running) -> Any:
        delivery = running.delivery
        if STANDS_IN in delivery.options:
            return result_of(delivery.options[STANDS_IN])
        signature = self._signatures.get(actor) or self._read_signature(actor)
        args: Sequence[Any] = delivery.args
        kwargs = delivery.kwargs
        if signature.secrets:
            running.job.secrets = Masking(signature.secret_texts(args, kwargs))  # a converter may fail, and say why
        if signature.needs_coercion:
            args, kwargs = signature.coerce(args, kwargs)
        if signature.secrets:
            running.job.secrets = Masking(signature.secret_texts(args, kwargs))
        limit = delivery.options.get("time_limit") or actor.options.get("time_limit")
        if limit is None:  # who says only when to kill it means that
            limit = DEFAULT_LIMIT if terms(actor, delivery.options)[1] is None else float("inf")
        try:
            return interrupts.call(running, limit, running.job.check, actor.fn, args, kwargs)
        finally:
            capture.put_back()  # before anything of ours is logged

    def _read_signature(self, actor: Any) -> Signature:
        return self._signatures.setdefault(actor, Signature.of(actor))

    def _commit_own(self, running: Running, finished: Finished) -> Finished | None:
        """Commit a transactional actor's writes together with the end of its attempt; None when that was done."""
        session = running.job.open_session
        if session is None:
            return finished
        try:
            settled = settle(session, [finished], worker_id=self._crew.worker_id, worker=self._crew.name)
            if not settled and claims.retake(session, self._crew.worker_id, [(finished.seq, finished.attempt)]):
                settled = settle(session, [finished], worker_id=self._crew.worker_id, worker=self._crew.name)
            if settled:
                session.commit()
                return None
            session.rollback()
        except Exception as error:
            if not is_outage(error):
                raise
            # SQL went away, which is not the actor's failure: it counts as none, whatever retries it allows. Should the
            # commit have arrived after all, this end finds the job final and changes nothing.
            return end(
                running,
                State.RETRYING,
                Outcome.FAILED,
                error=describe(error),
                reason="SQL was away when its work was to be committed",
                due_us=present_us() + OUTAGE_PAUSE_US,
            )
        raise LostLease

    def _close_own(self, running: Running) -> None:
        session = running.job.open_session
        if session is not None:
            try:
                session.close()  # rolls back whatever was not committed
            except Exception as error:  # noqa: BLE001 - the end is decided; a broken connection must not change it
                log.warning("session_close_failed", job_id=running.job.id, detail=type(error).__name__)

    def _answer(self, finished: Finished | None, delivery: Delivery) -> None:
        before, after = self._answered["nack" if delivery.failed else "ack"]
        if before:
            self._emit(before, delivery)
        self._crew.committer.put(finished, delivery)
        if after:
            self._emit(after, delivery)

    def as_running_job(self, delivery: Delivery) -> RunningJob:
        """What the actor will see as current_job."""
        claimed = delivery.claimed
        actor = self._broker.actors[claimed.actor]
        due = claimed.due_us if claimed.failures == 0 else None
        tick = _tick(delivery.options)
        return RunningJob(
            seq=claimed.seq,
            id=claimed.id,
            actor=claimed.actor,
            queue=claimed.queue,
            attempt=claimed.attempt,
            worker=self._crew.name,
            scheduled_for=tick if tick is not None or due is None else from_microseconds(due),
            open_session=get_database().session if actor.options.get("transactional") else None,
        )

    def _emit(self, hooks: list[Callable[..., None]], delivery: Delivery, **values: Any) -> None:
        for hook in hooks:
            try:
                hook(self._broker, delivery, **values)
            except MiddlewareError:
                raise
            except Exception:
                log.exception("middleware_failed", hook=getattr(hook, "__qualname__", repr(hook)))


def _tick(options: dict[str, Any]) -> datetime | None:
    """The tick that a schedule has noted in the options; those of a foreign message may hold anything there."""
    try:
        return datetime.fromisoformat(options[SCHEDULED_FOR])
    except (KeyError, TypeError, ValueError):
        return None


def _overriding(broker: Broker, name: str) -> list[Callable[..., None]]:
    stock = getattr(Middleware, name)
    return [getattr(middleware, name) for middleware in broker.middleware if getattr(type(middleware), name) is not stock]
