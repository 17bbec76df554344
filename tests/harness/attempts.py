"""Attempts in this process: the real executor, claims and settlements on a real store, without RabbitMQ or a worker command.

`declared` declares an actor for the test; `Attempts.run` submits its message, claims it, runs it and writes its end.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import dramatiq
import structlog
from dramatiq import Actor, Message

import src.actors
from src.broker.consume.deliveries import Arrival, Delivery
from src.broker.core.lease import Lease
from src.broker.core.load import Load
from src.broker.execute import capture
from src.broker.execute.attempt import AttemptRunner
from src.broker.execute.committer import Committer
from src.broker.execute.executor import Executor
from src.broker.options.limits import Limits
from src.jobs.attempts import attempt_logs
from src.jobs.core.models import Job
from src.jobs.finish.settle import Finished
from src.jobs.submit.submission import submit
from src.logs import configure_logs
from src.sql.database import Database
from tests.harness.jobs import claim, hired, look

AnyActor = Actor[Any, Any]


class _StatusPage:
    """The status page of a process that has no real one."""

    def enter(self, seq: int, attempt: int) -> None: ...
    def leave(self) -> None: ...


class Attempts:
    """Holds a lease like a worker process, and runs one attempt at a time in the calling thread."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.broker = src.actors.broker
        self.worker_id = hired(database, actors=list(self.broker.actors))
        self.ends: list[Finished] = []
        lease, limits = Lease("here:1", self.worker_id), next(one for one in self.broker.middleware if isinstance(one, Limits))
        self._settling = Committer(lease)  # never started: each end is written at once
        self._executor = Executor(
            AttemptRunner(self.broker, lease, limits),
            Load(1),
            children=cast(Any, None),
            status_page=_StatusPage(),
            commit=self._commit,
            keep_lines=lambda _attempt: None,
        )

    def _commit(self, finished: Finished | None, _delivery: Delivery) -> None:
        """Write the end at once."""
        if finished is not None:
            self.ends.append(finished)
            self._settling._settle_all([finished])

    def run(self, message: Message[Any] | str, attempt: int = 1) -> Job:
        """Submit the message, or take the job of this id, and run one attempt; return the job afterwards."""
        if isinstance(message, Message):
            with self.database.write() as session:
                message = submit(session, message).id
        claimed = claim(self.database, self.worker_id, message, attempt)
        assert claimed is not None, message
        self._executor.run(Delivery(claimed, Arrival(0, 0, False, b""), None))
        return look(self.database, message)

    def next(self, job: Job, source: str) -> Job:
        """Return the job that followed this one, of that source."""
        with self.database.read() as session:
            id = session.query(Job.id).where(Job.source == source, Job.seq > job.seq).order_by(Job.seq).limit(1).scalar()
        assert id is not None
        return look(self.database, id)

    def log(self, job: Job) -> list[tuple[str, str]]:
        """Return the job's log lines as (level, text)."""
        with self.database.read() as session:
            return [(line.level, line.text) for line in attempt_logs.read(session, job.seq)]


@contextmanager
def declared(function: Callable[..., Any], **options: Any) -> Iterator[AnyActor]:
    """Declare the function as an actor of this process's broker, in the block."""
    actor = dramatiq.actor(function, **{"max_retries": 0, **options})
    try:
        yield actor
    finally:
        del src.actors.broker.actors[actor.actor_name]


@contextmanager
def terminal() -> Iterator[io.StringIO]:
    """Capture the terminal output of this process in the block, with logs, prints and streams as in a worker.

    Not a fixture: pytest replaces the streams between the set-up of a test and its call.
    """
    root = logging.getLogger()
    handlers, level, streams, structured = root.handlers[:], root.level, (sys.stdout, sys.stderr), structlog.get_config()
    sys.stdout = sys.stderr = written = io.StringIO()
    try:
        configure_logs()
        capture.install()
        yield written
    finally:
        capture.uninstall()
        sys.stdout, sys.stderr = streams
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**structured)
