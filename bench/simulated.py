"""A simulated hour of one queue: the clock and the workers' threads are simulated, every statement is the product's own, on real SQL.

Jobs are submitted, claimed, admitted, deferred, released and settled by the functions that workers and relays call. RabbitMQ is a list:
first in, first out.
"""

from __future__ import annotations

import heapq
import os
import random
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from dramatiq import Message
from sqlalchemy import event

from src.jobs.core import envelopes
from src.jobs.core.envelopes import Envelope
from src.jobs.core.states import Outcome, State
from src.jobs.finish.settle import Finished, settle
from src.jobs.forecasts import forecast
from src.jobs.leases import claims, workers
from src.jobs.relay import due_jobs
from src.jobs.relay.confirmations import mark_published
from src.jobs.submit.submission import new_id, submit
from src.migrations import migrate
from src.settings import get_settings
from src.sql.clock import clock
from src.sql.columns import to_microseconds
from src.sql.database import Database, use_database

QUEUE = "orders"
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
#: seconds between two turns of the relay, samples of forecasts, and heartbeats
RELAY_S, SAMPLE_S, BEAT_S = 0.5, 10.0, 60.0


class Fleet:
    """One queue with some threads. `arrive`: seconds until the next job; `runs`: draws the actor and the seconds of a job."""

    def __init__(self, database: Database, threads: int, seed: int) -> None:
        self.database, self.threads, self.random = database, threads, random.Random(seed)
        self.present = 0.0
        self.arrive: Callable[[], float] = lambda: 1.0
        self.runs: Callable[[], tuple[str, float]] = lambda: ("work", 1.0)
        self.asked: Callable[[str], None] = lambda _id: None
        self.ended: Callable[[str], None] = lambda _id: None
        self._messages: deque[Envelope] = deque()
        self._new: list[Envelope] = []
        self._seconds: dict[str, float] = {}
        self._running: list[tuple[float, int, Finished]] = []
        self._next_arrival = 0.0
        self._turns = {RELAY_S: 0.0, SAMPLE_S: SAMPLE_S, BEAT_S: 0.0}
        with database.write() as session:
            self._worker = workers.register(
                session, name="simulated:1", host="here", pid=1, version="1", threads=threads, queues=[QUEUE], actors=[]
            )

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.present)

    def publish(self, announced: list[Envelope]) -> None:
        self._new += announced

    def until(self, end: float) -> None:
        """Let the time pass to this second."""
        while True:
            following = min([self._next_arrival, *self._turns.values(), *(entry[0] for entry in self._running[:1])])
            if following > end:
                break
            self.present = max(self.present, following)
            self._step()
        self.present = end

    def _step(self) -> None:
        while self._running and self._running[0][0] <= self.present:
            self._end()
        if self._next_arrival <= self.present:
            self._submit()
        if self._turns[RELAY_S] <= self.present:
            self._turns[RELAY_S] = self.present + RELAY_S
            self._relay()
        if self._turns[BEAT_S] <= self.present:
            self._turns[BEAT_S] = self.present + BEAT_S
            with self.database.write() as session:
                assert workers.heartbeat(session, self._worker, busy=len(self._running), frontier={})
        self._claim()
        if self._turns[SAMPLE_S] <= self.present:
            self._turns[SAMPLE_S] = self.present + SAMPLE_S
            with self.database.write() as session:
                forecast.sample(session, {})

    def _submit(self) -> None:
        actor, seconds = self.runs()
        id = new_id()
        self._seconds[id] = seconds
        with self.database.write() as session:
            submit(session, Message(queue_name=QUEUE, actor_name=actor, args=(), kwargs={}, options={}, message_id=id))
        self._confirm()
        self.asked(id)
        self._next_arrival = self.present + self.arrive()

    def _confirm(self) -> None:
        if self._new:
            published, self._new = self._new, []
            with self.database.write() as session:
                mark_published(session, published)
            self._messages.extend(published)

    def _relay(self) -> None:
        with self.database.write() as session:
            announced = due_jobs.release_due(session)
        self._new += announced
        self._confirm()

    def _claim(self) -> None:
        while self._messages and len(self._running) < self.threads:
            room = self.threads - len(self._running)
            wanted = [self._messages.popleft() for _ in range(min(room, len(self._messages)))]
            with self.database.write() as session:
                claimed = claims.claim(session, self._worker, [(each.id, each.attempt) for each in wanted])
                admitted = claims.admit(session, claimed, {})
            began = to_microseconds(self.now())
            for job in admitted:
                seconds = self._seconds.pop(job.id)
                end = Finished(
                    job.seq, job.id, job.attempt, State.SUCCEEDED, Outcome.SUCCEEDED, began, began + int(seconds * 1e6), has_slots=job.has_slots
                )  # fmt: skip
                heapq.heappush(self._running, (self.present + seconds, job.seq, end))

    def _end(self) -> None:
        _, _, finished = heapq.heappop(self._running)
        with self.database.write() as session:
            assert settle(session, [finished], worker_id=self._worker, worker="simulated:1")
        self.ended(finished.id)


@contextmanager
def simulated(threads: int, seed: int) -> Iterator[Fleet]:
    """Open an empty SQLite database with a simulated clock and fleet."""
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder / 'jobs.sqlite'}"
        ending.callback(get_settings.cache_clear)
        ending.enter_context(
            patch.dict(os.environ, {"CALLBOARD_DATA_DIR": str(folder), "CALLBOARD_DATABASE_URL": url, "CALLBOARD_LEASE_DURATION": "300"})
        )
        get_settings.cache_clear()
        migrate(url)
        database = Database(url)
        # It is thrown away: no commit has to wait for the disk.
        event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
        ending.callback(database.engine.dispose)
        use_database(database)
        ending.callback(use_database, None)
        ending.enter_context(patch.object(clock, "now", lambda: BEGIN))
        fleet = Fleet(database, threads, seed)
        ending.enter_context(patch.object(clock, "now", fleet.now))
        ending.enter_context(envelopes.publisher.replaced(fleet.publish))
        yield fleet
