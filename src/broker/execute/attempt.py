"""Attempt: runs one claimed job through the middleware and the actor to its end, or to a commit of its own.

The same code runs in a worker's thread and in the child process of an isolated attempt. The guarantees (decision,
transaction, record) do not depend on a hook.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dramatiq
from dramatiq.broker import Broker
from dramatiq.middleware import SkipMessage

from ...actor_schema.signature import Signature
from ...jobs.attempts.current_job import RunningJob
from ...jobs.attempts.masking import Masking
from ...jobs.core.states import Outcome, State
from ...jobs.core.values import dumps, text_of
from ...jobs.files import result_files
from ...jobs.finish.settle import Finished, present_us, settle
from ...jobs.leases import claims
from ...logs import get_logger
from ...schedules.ticks.ticks import SCHEDULED_FOR
from ...settings import get_settings
from ...sql.columns import from_microseconds
from ...sql.database import get_database
from ...sql.outages import is_outage
from ..consume.deliveries import Delivery
from ..core.encoding import encode_result
from ..core.lease import Lease
from ..options import callbacks
from ..options.groups import membership
from ..options.isolation import terms
from ..options.limits import Limits
from ..options.time_limit import DEFAULT_LIMIT
from . import capture
from . import interrupts as interrupts_module
from .endings import end, failure
from .failures import describe
from .hooks import Hooks
from .interrupts import interrupts
from .running import Running
from .stand_ins import STANDS_IN, result_of

log = get_logger(__name__)

#: files whose frames of a traceback are above the actor's own
OWN_FILES = (__file__, interrupts_module.__file__)
#: microseconds until the next attempt of a job whose own commit met an outage
OUTAGE_PAUSE_US = 2_000_000


class LostLease(Exception):
    """The attempt ended after its lease had been taken over: nothing of it is kept."""


class AttemptRunner:
    """Runs attempts in the calling thread, under the lease of their worker."""

    def __init__(self, broker: Broker, lease: Lease, limits: Limits) -> None:
        self.broker = broker
        self._process_broker = dramatiq.get_broker()  # read before any job runs
        self.lease = lease
        self.limits = limits
        self.hooks = Hooks(broker)
        self._signatures: dict[Any, Signature] = {}  # cached per job: a dictionary of weak references would be slow

    def running_job(self, delivery: Delivery) -> RunningJob:
        """The `current_job` of the attempt that this delivery starts."""
        claimed = delivery.claimed
        actor = self.broker.actors[claimed.actor]
        due = claimed.due_us if claimed.failures == 0 else None
        tick = _tick(delivery.options)
        return RunningJob(
            seq=claimed.seq,
            id=claimed.id,
            actor=claimed.actor,
            queue=claimed.queue,
            attempt=claimed.attempt,
            worker=self.lease.name,
            scheduled_for=tick if tick is not None or due is None else from_microseconds(due),
            open_session=get_database().session if actor.options.get("transactional") else None,
        )

    def run(self, running: Running) -> Finished | None:
        """Run the attempt and return its end; None if its own transaction has committed it. Raises LostLease."""
        delivery = running.delivery
        actor = self.broker.actors[delivery.claimed.actor]
        try:
            try:
                self.hooks.before("process_message", delivery)
                result = self._call(actor, running)
                self.hooks.after("process_message", delivery, result=result)
                encoded = encode_result(result)
                if running.job.secrets is not None:
                    encoded = dumps(running.job.secrets.value(json.loads(encoded)))
                following = callbacks.after_success(self.broker, actor, delivery, encoded)
                kept = self._keep(running, encoded)
                report = None if STANDS_IN in delivery.options else self.limits.report(actor.actor_name, None)
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
            self.hooks.after("skip_message", delivery)
            said = getattr(skip, "skipped", "skipped by a middleware")
            return end(running, State.CANCELLED, Outcome.CANCELLED, reason=f"{said}: {text_of(skip)}".rstrip(": "))
        except LostLease:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever an actor raises ends its attempt, SystemExit too
            delivery.stuff_exception(error)
            self.hooks.after("process_message", delivery, exception=error)
            return failure(self.broker, self.limits, running, error, above=OWN_FILES)

    def _keep(self, running: Running, encoded: str) -> dict[str, Any]:
        """The fields of the end that hold the result: in the row, or in a file stored durably before the row names it. Raises OSError."""
        if len(encoded) <= get_settings().inline_result_bytes:
            return {"result": encoded}
        return {"result_file": result_files.keep(running.job.seq, running.job.attempt, encoded), "result_bytes": len(encoded)}

    def _call(self, actor: Any, running: Running) -> Any:
        delivery = running.delivery
        if STANDS_IN in delivery.options:
            return result_of(delivery.options[STANDS_IN])
        signature = self._signatures.get(actor) or self._read_signature(actor)
        args: Sequence[Any] = delivery.args
        kwargs = delivery.kwargs
        if signature.secrets:
            running.job.secrets = Masking(signature.secret_texts(args, kwargs))  # a converter may fail with a message of its own
        if signature.needs_coercion:
            args, kwargs = signature.coerce(args, kwargs)
        if signature.secrets:
            running.job.secrets = Masking(signature.secret_texts(args, kwargs))
        limit = delivery.options.get("time_limit") or actor.options.get("time_limit")
        if limit is None:  # a hard limit without a soft one
            limit = DEFAULT_LIMIT if terms(actor, delivery.options)[1] is None else float("inf")
        try:
            return interrupts.call(running, limit, running.job.check, actor.fn, args, kwargs)
        finally:
            capture.put_back()  # before our own code logs again
            _put_back(self._process_broker, running)

    def _read_signature(self, actor: Any) -> Signature:
        return self._signatures.setdefault(actor, Signature.of(actor))

    def _commit_own(self, running: Running, finished: Finished) -> Finished | None:
        """Commit a transactional actor's writes together with the end of its attempt; None if committed."""
        session = running.job.open_session
        if session is None:
            return finished
        if not self.lease.is_of((finished.seq, finished.attempt), finished.id):
            raise LostLease
        try:
            settled = settle(session, [finished], worker_id=self.lease.worker_id, worker=self.lease.name)
            if not settled and claims.retake(session, self.lease.worker_id, {(finished.seq, finished.attempt): finished.id}):
                settled = settle(session, [finished], worker_id=self.lease.worker_id, worker=self.lease.name)
            if settled:
                session.commit()
                return None
            session.rollback()
        except Exception as error:
            if not is_outage(error):
                raise
            # SQL went away, which is not the actor's failure and does not count as one, whatever retries are left. If the commit
            # succeeded after all, this end finds the job final and changes nothing.
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


def _put_back(broker: Broker, running: Running) -> None:
    """Undo `dramatiq.set_broker` in an actor: later groups and pipelines would send to that broker, and be lost."""
    other = dramatiq.get_broker()
    if other is not broker:
        dramatiq.set_broker(broker)
        cure = "take dramatiq.set_broker() out of the actor"
        log.warning("broker_put_back", job_id=running.job.id, actor=running.job.actor, broker=type(other).__name__, cure=cure)


def _tick(options: dict[str, Any]) -> datetime | None:
    """Return the tick that a schedule has stored in the options; those of a foreign message may hold anything there."""
    tick = options.get(SCHEDULED_FOR)
    if tick is None:
        return None
    try:
        return datetime.fromisoformat(tick)
    except (TypeError, ValueError):
        return None
