"""A killed PostgreSQL loses claims that have not reached its disk: their jobs still run once, and each of the three repairs is needed for it.

Two worker processes without RabbitMQ claim, run and end jobs; in between, the database is killed, messages are
delivered again, leases expire and processes die, in any order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import func, select, update

import src.actors
from src.broker.consume.deliveries import Arrival, Delivery
from src.broker.execute import attempt, committer
from src.broker.options.limits import Limits
from src.broker.process.worker_process import WorkerProcess
from src.jobs import Outcome, State, current_job, submit
from src.jobs.core.models import Attempt, Job
from src.jobs.leases import claims, renewal, workers
from src.jobs.relay import due_jobs, lost_messages
from src.jobs.relay.confirmations import mark_published
from src.settings import get_settings
from src.sql.clock import clock, now
from src.sql.database import Database
from tests.harness.attempts import declared
from tests.harness.jobs import StillClock, empty, look, message

pytestmark = pytest.mark.both_stores

ACTORS = ["plain", "transactional"]
#: columns that a claim or a confirmation changes
COLUMNS = (Job.state, Job.attempt, Job.worker_id, Job.started_at, Job.publish_at, Job.published_at, Job.reason)
WHICH = st.integers(0, 1)


class _Channel:
    """Accepts acknowledgements."""

    def settled(self, arrivals: list[Any]) -> None:
        pass


@dataclass
class Here:
    """A worker process, and what the model knows of it."""

    process: WorkerProcess
    deliveries: dict[str, Delivery] = field(default_factory=dict)  # by job id: claimed, and not run yet
    forgotten: set[str] = field(default_factory=set)  # claims that the database has lost since this process's last heartbeat
    taken_over: set[str] = field(default_factory=set)  # held when its lease expired


class LostClaims(RuleBasedStateMachine):
    """One database and two worker processes."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.time = StillClock()
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(clock, "now", self.time.now)
        self.here = [self._started(), self._started()]
        self.messages: list[tuple[str, int]] = []  # waiting in RabbitMQ: job id and attempt
        self.owners: dict[str, Here | None] = {}  # the last to claim each job; None: it lost its lease since
        self.durable: dict[int, dict[str, Any]] = {}
        self._flushed()

    def teardown(self) -> None:
        try:
            for _ in range(3):
                self.publish(True)
                self.deliver(0)
                for each in self.here:
                    while each.deliveries:
                        self._run(each)
            with self.database.read() as session:
                assert set(session.execute(select(Job.state)).scalars()) <= {State.SUCCEEDED}
                successes = select(func.count()).where(Attempt.outcome == Outcome.SUCCEEDED).group_by(Attempt.job_seq)
                assert set(session.execute(successes).scalars()) <= {1}
        finally:
            empty(self.database)
            self._patch.undo()

    @rule(
        actor=st.sampled_from(ACTORS),
        is_confirmed=st.booleans(),
        which=WHICH,
        then=st.sampled_from(["", "killed", "killed and ended"]),
    )
    def submit(self, actor: str, is_confirmed: bool, which: int, then: str) -> None:
        """Submit a job, and deliver its message at once; the database may be killed then, and the job may end before all else."""
        with self.database.write() as session:
            id = submit(session, message(actor=actor)).id
        if is_confirmed:
            with self.database.write() as session:
                mark_published(session, [SimpleNamespace(seq=look(self.database, id).seq, attempt=1)])  # type: ignore[list-item]
        self._flushed()
        self._claim(self.here[which], id, 1)
        if then:
            self.kill_database()
        if then.endswith("ended"):
            self.run(which)

    @rule(which=WHICH)
    def deliver(self, which: int) -> None:
        """All waiting messages are delivered to one worker; jobs that cannot be claimed are acknowledged."""
        while self.messages:
            self._claim(self.here[which], *self.messages.pop(0))

    def _claim(self, here: Here, id: str, number: int) -> None:
        worker = here.process.lease.worker_id
        found = self.database.direct.write(lambda direct: claims.claim(direct, worker, [(id, number)]), flush=False)
        for one in found:
            for other in self.here:
                assert id not in other.deliveries or id in other.forgotten | other.taken_over, "claimed while a living worker has it"
            here.deliveries[id] = Delivery(one, Arrival(1, 1, False, b""), _Channel())
            here.forgotten.discard(id)
            here.taken_over.discard(id)
            here.process.lease.held[one.seq, one.attempt] = one.id
            self.owners[id] = here

    @rule(which=WHICH)
    def run(self, which: int) -> None:
        if self.here[which].deliveries:
            self._run(self.here[which])

    def _run(self, here: Here) -> None:
        id, delivery = here.deliveries.popitem()
        here.process.executor(src.actors.broker).run(delivery)
        batch, _ = here.process.committer._drain(here.process.committer._queue.get_nowait())
        here.process.committer._commit(batch)
        if self.owners[id] is here:
            assert look(self.database, id).state is State.SUCCEEDED, "its end was lost, and it would run again"
        here.forgotten.discard(id)
        here.taken_over.discard(id)
        self._flushed()

    def kill_database(self) -> None:
        """Undo everything since the last commit that waited for the disk."""
        with self.database.write() as session:
            for seq, values in self.durable.items():
                session.execute(update(Job).where(Job.seq == seq).values(values))
            queued = set(session.execute(select(Job.id).where(Job.state == State.QUEUED)).scalars())
        for here in self.here:
            here.forgotten |= queued & here.deliveries.keys()

    @rule(which=WHICH)
    def beat(self, which: int) -> None:
        self.here[which].process._heartbeat()
        self.here[which].forgotten.clear()
        self._flushed()

    @rule(are_missing=st.booleans())
    def publish(self, are_missing: bool) -> None:
        """The relay publishes rows without a message. Workers have had a heartbeat before: a relay waits for it after an outage."""
        self.beat(0)
        self.beat(1)
        self.time.forward(get_settings().publish_grace)
        with self.database.write() as session:
            if are_missing:
                lost_messages.publish_again(session, "default", now())
            self.messages += [(one.id, one.attempt) for one in due_jobs.take_unpublished(session)]
        self._flushed()

    @rule(which=WHICH)
    def redeliver(self, which: int) -> None:
        """A worker loses its connection to RabbitMQ."""
        self.messages += [(id, one.claimed.attempt) for id, one in self.here[which].deliveries.items()]

    @rule(which=WHICH)
    def fall_silent(self, which: int) -> None:
        """A worker stalls for longer than its lease; its jobs are taken over."""
        silent, other = self.here[which], 1 - which
        for _ in range(2):
            self.time.forward(get_settings().lease_duration - 1)
            self.beat(other)
        with self.database.write() as session:
            workers.take_over(session)
        self._lost(silent)
        silent.taken_over |= silent.deliveries.keys()
        self._flushed()

    @rule(which=WHICH)
    def kill_worker(self, which: int) -> None:
        here = self.here[which]
        with self.database.write() as session:
            workers.report_death(session, workers.Death(here.process.lease.worker_id, "was killed", frozenset()))
        self.redeliver(which)
        self._lost(here)
        self.here[which] = self._started()
        self._flushed()

    def _lost(self, here: Here) -> None:
        for id, owner in self.owners.items():
            if owner is here:
                self.owners[id] = None

    def _started(self) -> Here:
        broker = src.actors.broker
        limits = next(each for each in broker.middleware if isinstance(each, Limits))
        process = WorkerProcess(threads=1, queues=["default"], actors=dict(broker.actors), limits=limits)
        os.close(process.status_page._descriptor)
        process._register()
        return Here(process)

    def _flushed(self) -> None:
        """A commit has waited for the disk, which then has all earlier ones, too."""
        with self.database.read() as session:
            rows = session.execute(select(Job.seq, *COLUMNS)).all()
        self.durable = {row.seq: {column.key: value for column, value in zip(COLUMNS, row[1:], strict=True)} for row in rows}


@pytest.fixture(autouse=True)
def actors() -> Iterator[None]:
    with ExitStack() as ending:
        ending.enter_context(declared(_plain, actor_name="plain"))
        ending.enter_context(declared(_transactional, actor_name="transactional", transactional=True))
        yield


def _plain() -> None:
    pass


def _transactional() -> None:
    current_job.session.execute(select(Job.seq))


def _run(database: Database, examples: int, *, phases: tuple[Phase, ...] = (Phase.generate, Phase.shrink)) -> None:
    run_state_machine_as_test(
        type("Machine", (LostClaims,), {"database": database}),
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, phases=phases, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.mark.long
def test_a_job_whose_claim_is_lost_runs_once(database: Database) -> None:
    _run(database, 8)


@pytest.mark.slow
def test_a_job_whose_claim_is_lost_runs_once_in_many_orders(database: Database) -> None:
    _run(database, 300)


@pytest.mark.long
@pytest.mark.parametrize("caller", [renewal, committer, attempt], ids=["heartbeat", "end", "transaction"])
def test_without_one_of_the_repairs_it_would_not(database: Database, caller: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "claims", SimpleNamespace(retake=lambda *_: [], give_back=claims.give_back))

    with pytest.raises(AssertionError):
        _run(database, 50, phases=(Phase.generate,))
