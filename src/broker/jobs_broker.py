"""JobsBroker: Dramatiq's broker interface, with a row behind every message. `build_broker` lists the middleware."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import dramatiq
from dramatiq import Actor, Message, Middleware
from dramatiq import middleware as stock
from dramatiq.broker import Consumer
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import q_name
from dramatiq.errors import QueueJoinTimeout
from dramatiq.results import Results as StockResults
from sqlalchemy.orm import Session

from .. import COMMAND
from ..jobs.attempts.current_job import current_job
from ..jobs.core.states import State
from ..jobs.options.message_options import check, declare
from ..jobs.read.queries import backlog, queues
from ..jobs.submit import stand_ins
from ..jobs.submit.requests import Receipt, Submission, submission_of
from ..jobs.submit.submission import for_a_new_job, submit_many
from ..settings import get_settings
from ..sql.database import read, write
from .compat.actor import JobsActor
from .compat.results import Results
from .core import topology
from .options.async_actors import EventLoop
from .options.callbacks import FollowUps
from .options.errors import InvalidOption
from .options.groups import GroupCallbacks, patch_groups
from .options.isolation import Isolation
from .options.known_options import KnownOptions
from .options.limits import Limits
from .options.periodic import Periodic, is_tick, patch_periodiq, report
from .options.retries import Retries
from .options.shutdown import ShutdownNotifications
from .options.submission import SubmissionOptions
from .options.time_limit import TimeLimit
from .options.transactional import Transactional
from .process.boot import Boot
from .publish.group_commit import submit_now
from .publish.linking import linked
from .publish.publisher import get_publisher

#: the hooks of Dramatiq's middleware, as they are before anything has been changed
HOOKS = {name: hook for name, hook in vars(Middleware).items() if name.startswith(("before_", "after_"))}

#: Dramatiq's middleware that does what Callboard does: beside it, each callback would be sent twice
REPLACED = frozenset({
    stock.AsyncIO, stock.Callbacks, stock.CurrentMessage, stock.GroupCallbacks, stock.Pipelines, stock.Retries, stock.ShutdownNotifications,
    stock.TimeLimit, StockResults,
})  # fmt: skip

#: characters of the names of actors and queues: columns hold 255, RabbitMQ's names 255 bytes with their suffix
LONGEST_NAME = 200


def middleware() -> list[Middleware]:
    """Every feature that an actor can use, in the order of their before-hooks; each checks its options at import."""
    return [
        stock.CurrentMessage(),
        ShutdownNotifications(),
        EventLoop(),
        Results(),
        Retries(),
        TimeLimit(),
        Isolation(),
        Limits(),
        SubmissionOptions(),
        Transactional(),
        Periodic(),
        FollowUps(),
        GroupCallbacks(),
    ]


@cache
def known_options() -> KnownOptions:
    """Return the names of all options of actors."""
    return KnownOptions(name for each in middleware() for name in each.actor_options)


class JobsBroker(RabbitmqBroker):
    """Submits rows instead of publishing, consumes by claims. Built on Dramatiq's RabbitMQ broker, whose tools expect one."""

    def __init__(self) -> None:
        self._empty_hooks: tuple[list[Middleware], frozenset[str]] = [], frozenset()  # the middleware they are of, and the hooks
        super().__init__(url=get_settings().broker_urls, confirm_delivery=True, middleware=[])
        self._boot = Boot()
        self.actor_options = KnownOptions()
        for one in [*middleware(), self._boot]:
            self._add(one)
        for queue in get_settings().celery_queue_names:
            self.declare_queue(queue)

    def add_middleware(self, middleware: Middleware, *, before: Any = None, after: Any = None) -> None:
        """Add middleware of the application. Raises ValueError for one of Dramatiq's that Callboard has its own of."""
        name = type(middleware).__name__
        if type(middleware) in REPLACED:
            raise ValueError(f"Callboard has its own {name}: take add_middleware({name}(…)) out")
        self._add(middleware, before=before, after=after)

    def _add(self, middleware: Middleware, *, before: Any = None, after: Any = None) -> None:
        super().add_middleware(middleware, before=before, after=after)
        own = [each for each in self.middleware if not type(each).__module__.startswith(f"{__package__}.")]
        declare(frozenset(name for each in own for name in each.actor_options), frozenset(self.actor_options))

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        if self._is_overridden(f"before_{signal}"):
            super().emit_before(signal, *args, **kwargs)

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:
        if self._is_overridden(f"after_{signal}"):
            super().emit_after(signal, *args, **kwargs)

    def _is_overridden(self, hook: str) -> bool:
        """False if every middleware is Callboard's or Dramatiq's, with Dramatiq's empty hook: calling a dozen costs a submission 10 µs.

        A middleware of the application may get its hooks at any time.
        """
        of, empty = self._empty_hooks
        if of != self.middleware:  # applications may change the list directly
            of = list(self.middleware)
            empty = frozenset(name for name in HOOKS if all(_is_stock(one, name) for one in of))
            self._empty_hooks = of, empty  # in one step: several threads submit
        return hook not in empty

    def declare_actor(self, actor: Actor[Any, Any]) -> None:
        """Register an actor; its messages get ids in the order of time, unless its class is the application's own."""
        name = actor.actor_name
        if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
            raise InvalidOption(
                f"{name!a:.80}", f"the name of an actor has 1 to {LONGEST_NAME} printable characters, and no blank at its ends"
            )
        if len(actor.queue_name) > LONGEST_NAME:
            raise InvalidOption(name, f"queue_name has at most {LONGEST_NAME} characters: RabbitMQ accepts no longer ones")
        if type(actor) is Actor:
            actor.__class__ = JobsActor
        super().declare_actor(actor)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Submit a message: a row in a short transaction, or in that of the transactional actor that sends it.

        `delay` in milliseconds. The running job's own message becomes a new job; the returned one has its id. Raises
        JobsError for a message that cannot be stored, and SQLAlchemy's errors during an outage.
        """
        message = for_a_new_job(message)
        if is_tick(self, message):
            return report(self, message)
        check(message.options)
        self.emit_before("enqueue", message, delay)
        asked = submission_of(message, delay)
        workflow = linked(message, asked)

        running = current_job.job
        if running is not None and running.is_transactional:
            # Its session may hold SQLite's write lock: a second connection would deadlock with its own actor.
            if workflow is None:
                [receipt] = submit_many(running.session, [asked])
                _follow(running.session, message, asked, receipt)
            else:
                workflow.submit(running.session)
        elif workflow is None:
            receipt = submit_now(asked)
            if receipt.id != message.message_id:
                with write() as session:
                    _follow(session, message, asked, receipt)
        else:
            with write() as session:
                workflow.submit(session)
        self.emit_after("enqueue", message, delay)
        return message

    def declare_queue(self, queue_name: str, *, ensure: bool = False) -> None:
        """Register a queue. No delay queue: a delay is a row's `due_at`, so Dramatiq's Worker starts no second consumer for it."""
        name = q_name(queue_name)
        if name not in self.queues:
            if any(name in topology.queues_of(other)[::2] for other in self.queues):
                raise ValueError(f"queue {name!r} is taken by the priorities of another queue: call it otherwise")
            self.emit_before("declare_queue", name)
            self.queues.add(name)
            self.emit_after("declare_queue", name)
        if ensure:
            self._ensure_queue(name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Return this worker process's consumer of the queue; it chooses its own prefetch. `timeout` in milliseconds."""
        if self._boot.process is None:
            raise RuntimeError(f"only a Dramatiq Worker consumes: start one with `{COMMAND} worker`")
        return self._boot.process.consumer(queue_name, timeout / 1000)

    def join(self, queue_name: str, min_successes: int = 1, idle_time: int = 50, *, timeout: int | None = None) -> None:
        """Wait until no job of the queue is waiting or running (tests). `timeout` in milliseconds."""
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        while True:
            with read() as session:
                if all(found.queue != queue_name for found in queues(session)):
                    return
            if deadline is not None and time.monotonic() > deadline:
                raise QueueJoinTimeout(queue_name)
            time.sleep(idle_time / 1000)

    def get_queue_message_counts(self, queue_name: str) -> tuple[int, int, int]:
        """Return the numbers of the queue's jobs that are queued, wait for an instant, and are dead: Dramatiq counts messages in their place."""
        with read() as session:
            queued = sum(found.queued for found in queues(session) if found.queue == queue_name)
            others = backlog(session).get(queue_name, {})
        return queued, others.get(State.SCHEDULED, 0) + others.get(State.RETRYING, 0), others.get(State.DEAD, 0)

    def flush(self, queue_name: str) -> None:
        """Raise RuntimeError: the relay would publish the rows of purged messages again. Also for flush_all()."""
        raise RuntimeError(
            f"the messages of {queue_name} come from rows, which would bring them back: cancel its waiting jobs with `{COMMAND} purge {queue_name}`"
        )

    def close(self) -> None:
        """Wait for outstanding confirms, then close."""
        get_publisher().close()
        super().close()

    def _ensure_queue(self, canonical_queue_name: str) -> None:
        topology.declare(self.channel, canonical_queue_name)


def _is_stock(middleware: Middleware, hook: str) -> bool:
    is_known = type(middleware).__module__.startswith((f"{__package__}.", "dramatiq."))
    return is_known and getattr(getattr(middleware, hook, None), "__func__", None) is HOOKS[hook]


def _follow(session: Session, message: Message[Any], asked: Submission, receipt: Receipt) -> None:
    """Make the message's id lead to the job that its key matched: by a stand-in if other jobs depend on it, else as that job's id."""
    if receipt.id == message.message_id:
        return
    if CONTINUED.isdisjoint(message.options):
        # In place: Dramatiq's groups look up results by the messages they have sent.
        object.__setattr__(message, "message_id", receipt.id)
    else:
        stand_ins.submit(session, asked, receipt.id)


#: options of a message with follow-ups that refer to it or take its result
CONTINUED = frozenset({"group_completion_uuid", "on_failure", "on_retry_exhausted", "on_success", "pipe_target"})


def build_broker() -> JobsBroker:
    """Create this process's broker and set it as Dramatiq's; makes no connection."""
    broker = JobsBroker()
    dramatiq.set_broker(broker)
    patch_periodiq()
    patch_groups()
    return broker
