"""Why a job is not running: every cause has its sentence, whatever state the job waits in."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from sqlalchemy import update

from src.jobs import State
from src.jobs.control import actions, waiting_reasons
from src.jobs.control.waiting_reasons import BrokerFacts
from src.jobs.core.models import Job, Worker
from src.jobs.core.states import WorkerCommand
from src.jobs.leases import claims, heartbeats, worker_commands
from src.jobs.leases.heartbeats import Role
from src.jobs.limits import breakers, overrides
from src.jobs.limits.policies import Policy
from src.jobs.limits.rates import parse
from src.jobs.workflows.canvas import Workflow
from src.sql.clock import now
from src.sql.database import Database
from tests.harness import workflows
from tests.harness.jobs import StillClock, claimed, ended, hired, in_state, look, settle, submitted
from tests.harness.stores import only_on
from tests.harness.workflows import Hand

pytestmark = pytest.mark.both_stores

ALARM = "RabbitMQ takes no messages: memory alarm on node rabbit@a"
AWAY = "RabbitMQ cannot be reached"


def why(database: Database, id: str, *, away: bool = False, blocked: bool = False) -> list[str]:
    with database.read() as session:
        facts = BrokerFacts([AWAY] if away else [], [ALARM] if blocked else [])
        found = waiting_reasons.why(session, look(database, id), facts)
    assert [each.text for each in found if not each.links] == [], "a reason without a link to what it waits for"
    return [each.text for each in found]


def published(database: Database, id: str, *, seconds_ago: float = 0) -> str:
    with database.write() as session:
        at = now() - timedelta(seconds=seconds_ago)
        session.execute(update(Job).where(Job.id == id).values(publish_at=None, published_at=at))
    return id


@pytest.fixture(autouse=True)
def relay(database: Database) -> None:
    with database.write() as session:
        heartbeats.register(session, Role.RELAY, lease_s=3_600)


def test_a_job_that_runs_or_has_ended_has_no_cause(database: Database) -> None:
    for state in (State.RUNNING, State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED):
        assert why(database, in_state(database, state)) == [], state


def test_every_state_that_waits_has_one(database: Database) -> None:
    for state in (State.SCHEDULED, State.QUEUED, State.RETRYING, State.HELD):
        assert why(database, in_state(database, state)), state


def test_pauses_say_by_whom_and_until_when_the_widest_first(database: Database, time: StillClock) -> None:
    id = submitted(database).id
    until = time.now() + timedelta(hours=1)
    with database.write() as session:
        overrides.pause(session, "actor", "add", until=until, reason="deploy", by="ada")
        overrides.pause(session, "all", by="grace")
        overrides.pause(session, "queue", "another")
    assert why(database, id)[:2] == [
        "everything is paused until it is resumed by grace",
        f"actor add is paused until {waiting_reasons._instant(until)} by ada: deploy",
    ]


def test_a_slot_a_rate_a_breaker_and_a_delay_have_a_sentence_each(database: Database, time: StillClock) -> None:
    worker = hired(database)
    policies = {"add": Policy(concurrency=1), "slow": Policy(rates=parse("1/h"))}

    def at_admission(id: str) -> None:
        with database.write() as session:
            claims.admit(session, claims.claim(session, worker, [(id, 1)]), policies)

    holder, waits, first, turn = (submitted(database, actor=actor).id for actor in ("add", "add", "slow", "slow"))
    for id in (holder, waits, first, turn):
        at_admission(id)
    assert why(database, waits) == [f"the only slot of actor:add is taken, by {holder}"]
    [sentence] = why(database, turn)
    assert sentence.startswith("waits for its turn under the rate limit of actor slow, 1 per hour")
    slot = look(database, turn).due_at
    assert slot is not None
    assert slot > time.now()
    assert sentence.endswith(f"; its turn is at {waiting_reasons._instant(slot)}")

    due = time.now() + timedelta(days=2)
    assert why(database, submitted(database, due_at=due).id, blocked=True) == [f"it is scheduled for {waiting_reasons._instant(due)}"]
    assert "UTC on 20" in waiting_reasons._instant(due)

    with database.write() as session:
        breakers.note_failure(session, "call", limit=1, probe_every_s=60)
    assert why(database, submitted(database, actor="call").id)[0] == (
        f"the circuit breaker of call is open after 1 failure in a row; next probe at {waiting_reasons._instant(time.now() + timedelta(minutes=1))}"
    )


def test_an_expiry_that_comes_before_the_instant_is_named(database: Database, time: StillClock) -> None:
    due, expires = time.now() + timedelta(hours=2), time.now() + timedelta(hours=1)
    expected = f"{waiting_reasons._instant(due)}, but the job expires before that, at {waiting_reasons._instant(expires)}"
    id = submitted(database, due_at=due, expires_at=expires).id
    assert why(database, id) == [f"it is scheduled for {expected}"]
    with database.write() as session:
        session.execute(update(Job).where(Job.id == id).values(waits_for="rate:actor:add", reason="it waits"))
    assert why(database, id) == [f"it waits; its turn is at {expected}"]
    with database.write() as session:
        session.execute(update(Job).where(Job.id == id).values(waits_for=None, state=State.RETRYING, attempt=1, reason=None))
    assert why(database, id) == [f"attempt 1 failed: the next one is due at {expected}"]


def test_a_retry_says_when_the_next_attempt_is_due_and_what_keeps_it_then(database: Database, time: StillClock) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    settle(database, worker, ended(one, State.RETRYING, reason="retry 1 of 3 after ValueError"))
    due = look(database, one.id).due_at
    assert due is not None
    assert why(database, one.id, blocked=True) == [
        f"attempt 1 failed (retry 1 of 3 after ValueError): the next one is due at {waiting_reasons._instant(due)}"
    ]
    time.forward(100)
    assert why(database, one.id, blocked=True)[1:] == [ALARM]


def test_a_step_names_the_steps_before_it_and_the_one_that_blocks_it(database: Database) -> None:
    hand, workflow = Hand(database), Workflow("sum")
    a, b = (workflow.step(workflows.message(1, 2), name=name) for name in ("fetch", "parse"))
    workflow.step(workflows.message(3, 4), name="store", after=[a, b])
    jobs = workflows.submitted(database, workflow).jobs
    assert why(database, jobs["store"]) == ["it waits for steps fetch (queued), parse (queued)"]
    hand.end(jobs["fetch"], result=3)
    assert why(database, jobs["store"]) == ["it waits for step parse (queued)"]
    hand.end(jobs["parse"], State.DEAD)
    assert why(database, jobs["store"]) == ["blocked: step parse is dead; it goes on once that step is retried and succeeds"]


def test_what_it_waits_for_is_linked(database: Database) -> None:
    """The schedule of an earlier tick, the job that stands for it, the error of its last attempt, and its pause or breaker when it is over."""
    worker = hired(database)

    def linked(id: str) -> list[tuple[str, str]]:
        with database.read() as session:
            return [(link.kind.value, link.name) for each in waiting_reasons.why(session, look(database, id)) for link in each.links]

    def waiting(waits_for: str) -> str:
        id = in_state(database, State.SCHEDULED)
        with database.write() as session:
            session.execute(update(Job).where(Job.id == id).values(waits_for=waits_for, due_at=None, reason=None))
        assert why(database, id)
        return id

    assert linked(waiting("schedule:7")) == [("schedule", "7")]
    assert linked(waiting("job:0198c1f2")) == [("job", "0198c1f2")]
    assert linked(waiting("pause:actor:add")) == linked(waiting("breaker:add")) == [("workers", "")]
    one = claimed(database, worker)
    settle(database, worker, ended(one, State.RETRYING, error="ValueError: no", traceback="ValueError: no", reason="retry 1 of 3"))
    [(kind, fingerprint)] = linked(one.id)
    assert (kind, len(fingerprint)) == ("error", 16)


def test_a_fair_share_says_how_many_are_under_way_and_ahead(database: Database) -> None:
    ids = [submitted(database, number, fair_key="ada").id for number in range(40)]
    last = look(database, ids[-1])
    assert last.state is State.SCHEDULED
    assert why(database, last.id) == [
        "it waits for its fair share of queue default: 32 jobs of ada and 0 of others are under way, 7 of ada are ahead of it"
    ]
    with database.write() as session:
        session.execute(update(Job).where(Job.id.in_(ids[:31])).values(state=State.SUCCEEDED))
    assert why(database, look(database, ids[33]).id) == [
        "it waits for its fair share of queue default: 1 job of ada and 0 of others are under way, 1 of ada is ahead of it"
    ]


def test_a_queued_job_names_workers_that_are_missing_quiet_busy_or_of_other_code(database: Database, time: StillClock) -> None:
    id = published(database, submitted(database).id)
    assert why(database, id) == ["no worker is alive"]
    other = hired(database, "web-1:1")
    with database.write() as session:
        session.execute(update(Worker).values(queues=["mail"]))
    assert why(database, id) == ["no living worker consumes queue default"]
    quiet = hired(database, "web-1:2")
    with database.write() as session:
        worker_commands.ask(session, "web-1:2", WorkerCommand.QUIET, by="ada")
    assert why(database, id) == ["no living worker consumes queue default: 1 of them is quiet or stopping"]
    with database.write() as session:
        worker_commands.ask(session, "web-1:2", None, by="ada")
        session.execute(update(Worker).where(Worker.id == quiet).values(actors=["mul"]))
    assert why(database, id) == ["no worker of queue default has the actor add"]
    with database.write() as session:
        session.execute(update(Worker).where(Worker.id == quiet).values(actors=["add"], threads=1))
    assert why(database, id) == ["it is the next of queue default, and 1 thread is free"]
    claimed(database, quiet)
    published(database, submitted(database).id, seconds_ago=9)
    assert why(database, id) == ["the only thread of queue default is busy", "1 job of queue default was queued before it"]
    assert other != quiet


def test_a_queued_job_says_what_keeps_its_message_from_rabbitmq(database: Database, time: StillClock) -> None:
    hired(database)
    id = submitted(database).id
    assert why(database, id, blocked=True)[0] == ALARM
    assert why(database, id, away=True)[0] == AWAY
    assert why(database, id)[0] == "RabbitMQ has not confirmed its message yet"
    assert ALARM not in why(database, published(database, id), blocked=True)  # its message is there already
    assert why(database, id, away=True)[0] == AWAY
    time.forward(4_000)
    assert "no relay is alive that could publish it: start a worker or a scheduler" in why(database, submitted(database).id)


def test_a_held_job_says_whether_a_worker_knows_its_actor(database: Database) -> None:
    id = in_state(database, State.HELD)
    assert why(database, id)[0].startswith("worker here:1 has no actor named 'add'")
    assert why(database, id)[1] == "no living worker has the actor add"
    hired(database)
    assert why(database, id)[1] == "a worker that has the actor add is alive: it is released within seconds"
    with database.write() as session:
        actions.discard(session, id)
    assert why(database, id) == []


@only_on("postgresql", by="store")  # SQLite is read-only where its file is
def test_a_database_that_takes_no_writes_comes_first(database: Database) -> None:
    id = submitted(database).id
    with database.read() as session:
        job = look(database, id)
        session.connection().exec_driver_sql("SET default_transaction_read_only = on")
        try:
            assert waiting_reasons.why(session, job)[0].text == "the database takes no writes (read-only): no job can start until it does"
        finally:
            session.connection().exec_driver_sql("SET default_transaction_read_only = off")


@only_on("sqlite", by="store")
def test_a_database_file_that_takes_no_writes_comes_first(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    id = submitted(database).id
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write any file: what a read-only disk says
    assert why(database, id)[0] == "the database takes no writes (read-only): no job can start until it does"
