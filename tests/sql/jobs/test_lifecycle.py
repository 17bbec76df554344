"""The job state machine against a small model: any order of calls, duplicates, late reports and crashes, on both stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule, run_state_machine_as_test

from src.jobs import Outcome, State
from src.jobs.control import actions
from src.jobs.core.claimed import Claimed
from src.jobs.core.errors import NotAllowed
from src.jobs.leases import claims, workers
from src.jobs.relay import due_jobs
from src.settings import get_settings
from src.sql.clock import clock, now
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, empty, ended, hired, look, settle, submitted

pytestmark = pytest.mark.both_stores

LEASE = get_settings().lease_duration
WAITING_FOR_TIME = {State.SCHEDULED, State.RETRYING}


@dataclass
class Expected:
    """Expected state of one job in the model."""

    state: State
    due_at: datetime | None = None
    expires_at: datetime | None = None
    attempt: int = 0
    crashes: int = 0
    failures: int = 0
    holder: int | None = None
    cancel: bool = False
    outcomes: list[Outcome] = field(default_factory=list)


class Lifecycle(RuleBasedStateMachine):
    """Jobs and workers, as SQL has them and as the model has them."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.time = StillClock()
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(clock, "now", self.time.now)
        self.expected: dict[str, Expected] = {}
        self.leases: dict[int, datetime] = {}
        self.lost: set[int] = set()
        hired_first = hired(self.database)
        self.leases[hired_first] = now() + timedelta(seconds=LEASE)

    def teardown(self) -> None:
        empty(self.database)
        self._patch.undo()

    jobs = Bundle("jobs")
    leases_held = Bundle("leases_held")

    @rule(target=jobs, wait=st.sampled_from([0, 0, 5]), expire=st.sampled_from([None, None, 3, 20]))
    def submit(self, wait: int, expire: int | None) -> str:
        due_at = now() + timedelta(seconds=wait) if wait else None
        expires_at = now() + timedelta(seconds=expire) if expire else None
        id = submitted(self.database, due_at=due_at, expires_at=expires_at).id
        self.expected[id] = Expected(State.SCHEDULED if wait else State.QUEUED, due_at, expires_at)
        return id

    @rule(seconds=st.sampled_from([1, 4, LEASE]))
    def wait(self, seconds: float) -> None:
        self.time.forward(seconds)

    @precondition(lambda self: len(self.leases) < 4)
    @rule()
    def hire(self) -> None:
        self.leases[hired(self.database)] = now() + timedelta(seconds=LEASE)

    @rule(data=st.data())
    def beat(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.leases)))
        with self.database.write() as session:
            assert workers.heartbeat(session, worker, busy=0, frontier={}) == (worker not in self.lost)
        if worker not in self.lost:
            self.leases[worker] = now() + timedelta(seconds=LEASE)

    @rule(target=leases_held, id=jobs, step=st.sampled_from([1, 1, 1, 1, 0, 2]), data=st.data())
    def deliver(self, id: str, step: int, data: st.DataObject) -> object:
        """A message arrives at some worker: for the next attempt, or a stale or forged one."""
        worker = data.draw(st.sampled_from(sorted(self.leases)))
        expected = self.expected[id]
        got = claim(self.database, worker, id, expected.attempt + step)
        may = (
            step == 1
            and expected.state is State.QUEUED
            and (expected.expires_at is None or expected.expires_at > now())
            and worker not in self.lost
            and self.leases[worker] > now()
        )
        assert (got is not None) == may
        if got is None:
            return multiple()
        expected.state, expected.holder = State.RUNNING, worker
        expected.attempt += 1
        return got, worker

    @rule(
        held=leases_held, state=st.sampled_from([State.SUCCEEDED, State.RETRYING, State.RETRYING, State.DEAD, State.CANCELLED, State.HELD])
    )
    def report(self, held: tuple[Claimed, int], state: State) -> None:
        """The end of an attempt arrives: the first time, again, or long after its lease was given away."""
        one, worker = held
        expected = self.expected[one.id]
        failed = state in (State.RETRYING, State.DEAD)
        end = ended(one, state, failures=int(failed), error="ValueError: no" if failed else None)
        moved = settle(self.database, worker, end)
        assert bool(moved) == self._is_running(expected, one, worker)
        if moved:
            cancelled = expected.cancel and state in (State.RETRYING, State.HELD, State.DEAD)
            expected.state = State.CANCELLED if cancelled else state
            expected.due_at = now() + timedelta(seconds=60) if expected.state is State.RETRYING else None
            expected.failures += failed
            expected.holder = None
            expected.outcomes.append(end.outcome)

    @rule(held=leases_held)
    def give_back(self, held: tuple[Claimed, int]) -> None:
        one, worker = held
        expected = self.expected[one.id]
        with self.database.write() as session:
            given = claims.give_back(session, worker, [(one.seq, one.attempt)])
        assert bool(given) == self._is_running(expected, one, worker)
        if given:
            expected.state = State.CANCELLED if expected.cancel else State.QUEUED
            expected.attempt -= 1
            expected.holder = None

    @rule()
    def watch(self) -> None:
        """A relay looks for workers that fell silent."""
        with self.database.write() as session:
            taken = workers.take_over(session)
        self.lost |= {worker for worker, until in self.leases.items() if until <= now()}
        orphans = [one for one in self.expected.values() if one.state is State.RUNNING and one.holder in self.lost]
        assert taken == len(orphans)
        for one in orphans:
            one.crashes += 1
            spent = one.crashes >= get_settings().max_crashes
            one.state = State.CANCELLED if one.cancel else State.DEAD if spent else State.QUEUED
            one.holder = None
            one.outcomes.append(Outcome.LOST)

    @rule()
    def relay(self) -> None:
        with self.database.write() as session:
            released = {envelope.id: envelope.attempt for envelope in due_jobs.release_due(session)}
            due_jobs.expire(session)
        for id, expected in self.expected.items():
            expired = expected.expires_at is not None and expected.expires_at <= now()
            is_due = expected.state in WAITING_FOR_TIME and expected.due_at is not None and expected.due_at <= now()
            assert (id in released) == (is_due and not expired)
            if id in released:
                assert released[id] == expected.attempt + 1
                expected.state = State.QUEUED
            elif expired and expected.state in (*WAITING_FOR_TIME, State.QUEUED):
                expected.state = State.EXPIRED

    @rule(id=jobs)
    def cancel(self, id: str) -> None:
        expected = self.expected[id]
        if self._do(actions.cancel, id, expected.state.is_waiting or expected.state in (State.RUNNING, State.CANCELLED)):
            if expected.state is State.RUNNING:
                expected.cancel = True
            else:
                expected.state = State.CANCELLED

    @rule(id=jobs)
    def retry(self, id: str) -> None:
        expected = self.expected[id]
        if self._do(actions.retry, id, expected.state in (State.DEAD, State.CANCELLED, State.EXPIRED, State.RETRYING)):
            expected.state, expected.expires_at, expected.cancel = State.QUEUED, None, False
            expected.failures = expected.crashes = 0

    @rule(id=jobs)
    def run_now(self, id: str) -> None:
        if self._do(actions.run_now, id, self.expected[id].state in WAITING_FOR_TIME):
            self.expected[id].state = State.QUEUED

    @rule(id=jobs)
    def release(self, id: str) -> None:
        if self._do(actions.release, id, self.expected[id].state is State.HELD):
            self.expected[id].state = State.QUEUED

    @invariant()
    def sql_says_what_the_model_says(self) -> None:
        for id, expected in self.expected.items():
            job = look(self.database, id)
            assert (job.state, job.attempt, job.crashes, job.failures, job.worker_id) == (
                expected.state,
                expected.attempt,
                expected.crashes,
                expected.failures,
                expected.holder,
            )
            assert [a.outcome for a in job.attempts] == expected.outcomes
            assert [a.number for a in job.attempts] == list(range(1, len(job.attempts) + 1))
            assert (job.finished_at is not None) == job.state.is_final
            assert (job.publish_at is not None) <= (job.state is State.QUEUED)
            assert (job.due_at is not None) or job.state not in WAITING_FOR_TIME

    def _is_running(self, expected: Expected, one: Claimed, worker: int) -> bool:
        return expected.state is State.RUNNING and expected.attempt == one.attempt and expected.holder == worker

    def _do(self, verb: object, id: str, may: bool) -> bool:
        assert callable(verb)
        try:
            with self.database.write() as session:
                verb(session, id)
        except NotAllowed:
            assert not may
            return False
        assert may
        return True


def _run(database: Database, examples: int) -> None:
    machine = type("Machine", (Lifecycle,), {"database": database})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_order_of_events_breaks_the_life_of_a_job(database: Database) -> None:
    _run(database, 8 if database.is_sqlite else 4)


@pytest.mark.slow
def test_no_order_of_many_breaks_the_life_of_a_job(database: Database) -> None:
    _run(database, 150 if database.is_sqlite else 50)
