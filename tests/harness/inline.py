"""A worker without RabbitMQ: the real executor, committer and admission, in the thread of the test.

Only the connection is missing: a queued job is claimed at once instead of being delivered by a message.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

import src.actors
from src.broker.consume.deliveries import Arrival, Delivery
from src.broker.options.limits import Limits
from src.broker.process.worker_process import WorkerProcess
from src.broker.recover.relay import Relay
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.jobs.leases import claims, workers
from src.sql.database import Database
from tests.harness.jobs import look


class _Channel:
    """Accepts acknowledgements."""

    def settled(self, arrivals: list[Any]) -> None:
        pass


class Inline:
    """Runs queued jobs."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.broker = src.actors.broker
        limits = next(each for each in self.broker.middleware if isinstance(each, Limits))
        self.process = WorkerProcess(threads=1, queues=["default"], actors=dict(self.broker.actors), limits=limits)
        self.process._register()
        self.executor = self.process.executor(self.broker)
        self.relay = Relay()

    def run(self, id: str) -> Job:
        """Run the next attempt of a queued job, unless it may not start now."""
        with self.database.write() as session:
            attempt = session.execute(select(Job.attempt).where(Job.id == id)).scalar_one()
            claimed = claims.claim(session, self.process.lease.worker_id, [(id, attempt + 1)])
            assert claimed, f"the job is {look(self.database, id).state}"
            admitted = claims.admit(session, claimed, self.process.limits.policies)
        for one in admitted:
            self.executor.run(Delivery(one, Arrival(0, 0, False, b""), _Channel()))
            batch, _ = self.process.committer._drain(self.process.committer._queue.get_nowait())
            self.process.committer._commit(batch)
        return look(self.database, id)

    def run_all(self) -> None:
        """Run all queued jobs, and those queued because of them."""
        while True:
            with self.database.write() as session:  # on a busy machine a test may last longer than a lease
                workers.heartbeat(session, self.process.lease.worker_id, busy=0, frontier={})
            self.relay.watch()
            self.relay.run_once()
            with self.database.read() as session:
                id = session.execute(select(Job.id).where(Job.state == State.QUEUED).order_by(Job.seq).limit(1)).scalar()
            if id is None:
                return
            self.run(id)
