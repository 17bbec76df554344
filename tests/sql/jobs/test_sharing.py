"""Unique keys, priorities and fair shares: what a submission may declare about others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from src.broker.publish.group_commit import submit_now
from src.jobs import JobsError, State, submit_many
from src.jobs.core.envelopes import Envelope
from src.jobs.core.errors import IdempotencyConflict
from src.jobs.core.models import UniquePeriod
from src.jobs.core.states import Unique
from src.jobs.leases import claims
from src.jobs.limits import fair_queueing
from src.jobs.options.job_options import NORMAL_PRIORITY, JobOptions
from src.jobs.submit import defaults
from src.jobs.submit.defaults import Defaults
from src.jobs.submit.requests import Submission
from src.jobs.upkeep import retention
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, ended, hired, look, message, settle, submitted


@pytest.fixture(autouse=True)
def _nothing_declared() -> Iterator[None]:
    yield
    defaults._declared.pop("add", None)


def test_arguments_make_the_key_of_a_unique_actor(database: Database) -> None:
    defaults.declare("add", Defaults(JobOptions(unique_until=Unique.FINISHED)))

    first, same, other = submitted(database, 1), submitted(database, 1), submitted(database, 2)

    assert (first.created, same.created, other.created) == (True, False, True)
    assert same.id == first.id


def test_a_job_unique_until_it_ends_makes_room_when_it_has_ended(database: Database) -> None:
    defaults.declare("add", Defaults(JobOptions(unique_until=Unique.FINISHED)))
    worker, first = hired(database), submitted(database, 1)
    one = claim(database, worker, first.id)
    assert one is not None
    assert submitted(database, 1).id == first.id

    settle(database, worker, ended(one))

    assert submitted(database, 1).created


@pytest.mark.both_stores
def test_a_job_unique_while_it_waits_makes_room_when_it_starts(database: Database) -> None:
    defaults.declare("add", Defaults(JobOptions(unique_until=Unique.WAITING)))
    worker, first = hired(database), submitted(database, 1)
    with database.write() as session:
        claims.free_keys(session, claims.claim(session, worker, [(first.id, 1)]))

    second = submitted(database, 1)

    assert second.created
    assert submitted(database, 1).id == second.id


@pytest.mark.both_stores
def test_a_repeated_request_takes_no_period(database: Database, time: StillClock) -> None:
    """Its idempotency key leads to the earlier job, so it makes none that could hold the period: later ones would be led to nothing."""
    period = timedelta(hours=1)
    first = submitted(database, 1, unique_key="report", unique_for=period, idempotency_key="one")
    time.forward(3_700)
    assert submitted(database, 1, unique_key="report", unique_for=period, idempotency_key="one").id == first.id

    later = submitted(database, 1, unique_key="report", unique_for=period)

    assert later.created
    assert look(database, later.id).state is State.QUEUED
    assert not submitted(database, 1, unique_key="report", unique_for=period).created


@pytest.mark.both_stores
def test_a_job_unique_for_a_period_keeps_others_out_even_when_it_has_ended(database: Database, time: StillClock) -> None:
    defaults.declare("add", Defaults(JobOptions(unique_for=timedelta(minutes=5))))
    worker, first = hired(database), submitted(database, 1)
    one = claim(database, worker, first.id)
    assert one is not None
    settle(database, worker, ended(one))

    assert submitted(database, 1).id == first.id
    time.forward(301)
    assert submitted(database, 1).created


@pytest.mark.both_stores
def test_one_message_twice_in_a_call_takes_its_period_once(database: Database) -> None:
    same, period = message(1), timedelta(hours=1)
    with database.write() as session:
        first, second = submit_many(session, [Submission(same, unique_key="report", unique_for=period)] * 2)

    assert (first.created, second.created) == (True, False)
    assert first.id == second.id == look(database, first.id).id


@pytest.mark.both_stores
def test_one_message_with_two_keys_takes_no_key_for_a_job_that_is_not_made(database: Database) -> None:
    same, period = message(1), timedelta(hours=1)
    taken = submitted(database, 1, unique_key="taken", unique_for=period)
    with database.write() as session:
        first, second = submit_many(session, [Submission(same, unique_key=key, unique_for=period) for key in ("free", "taken")])

    assert (first.created, first.id) == (True, same.message_id)
    assert (second.created, second.id) == (False, taken.id)
    assert submitted(database, 1, unique_key="free", unique_for=period).id == look(database, first.id).id


@pytest.mark.both_stores
def test_a_repeated_request_leaves_the_period_to_the_next_of_the_same_call(database: Database, time: StillClock) -> None:
    period = timedelta(hours=1)
    earlier = submitted(database, 1, unique_key="report", unique_for=period, idempotency_key="one")
    time.forward(3_700)
    keys = ["one", None, "one", None]
    with database.write() as session:
        receipts = submit_many(
            session, [Submission(message(1), unique_key="report", unique_for=period, idempotency_key=key) for key in keys]
        )

    assert [receipt.created for receipt in receipts] == [False, True, False, False]
    assert receipts[0].id == receipts[2].id == earlier.id
    assert receipts[1].id == receipts[3].id == look(database, receipts[1].id).id
    assert submitted(database, 1, unique_key="report", unique_for=period).id == receipts[1].id


@pytest.mark.both_stores
@pytest.mark.parametrize("period", [None, timedelta(minutes=5)])
def test_a_request_that_met_a_job_of_its_unique_key_leads_to_it_also_when_that_has_ended(
    database: Database, time: StillClock, period: timedelta | None
) -> None:
    """The repeated request became a second job: its idempotency key was forgotten."""
    worker, how = hired(database), dict[str, Any](unique_key="report", unique_for=period)
    first = submitted(database, 1, **how, idempotency_key="zero")
    assert submitted(database, 2, **how, idempotency_key="one").id == first.id  # with other arguments, as unique_by allows
    one = claim(database, worker, first.id)
    assert one is not None
    settle(database, worker, ended(one))
    time.forward(400)

    assert submitted(database, 2, **how, idempotency_key="one").id == first.id
    with pytest.raises(IdempotencyConflict, match=first.id):
        submitted(database, 3, **how, idempotency_key="one")
    assert submitted(database, 2, **how, idempotency_key="two").created


@pytest.mark.both_stores
def test_a_repeated_request_leads_to_its_own_job_while_another_has_the_unique_key(database: Database, time: StillClock) -> None:
    how = dict[str, Any](unique_key="report", unique_for=timedelta(minutes=5))
    first = submitted(database, 1, **how, idempotency_key="one")
    time.forward(400)
    assert submitted(database, 1, **how).created

    assert submitted(database, 1, **how, idempotency_key="one").id == first.id
    with pytest.raises(IdempotencyConflict, match=first.id):
        submitted(database, 2, **how, idempotency_key="one")


@pytest.mark.both_stores
def test_idempotency_keys_of_many_unique_jobs_are_looked_up_together(database: Database) -> None:
    def statements(jobs: int) -> int:
        """Return how many statements a submission of so many jobs takes."""
        read: list[str] = []
        many = [Submission(message(number), unique_key=f"{jobs} {number}", idempotency_key=f"{jobs} {number}") for number in range(jobs)]
        with database.write() as session:
            engine = session.get_bind()
            event.listen(engine, "before_cursor_execute", note := lambda _connection, _cursor, statement, *_: read.append(statement))
            receipts = submit_many(session, many)
            event.remove(engine, "before_cursor_execute", note)
            assert all(receipt.created for receipt in receipts)
        return len(read)

    assert 0 < statements(40) == statements(2)


@pytest.mark.parametrize("period", [None, timedelta(minutes=5)])
def test_one_idempotency_key_for_two_requests_at_once_is_refused_also_if_the_first_meets_a_unique_job(
    database: Database, period: timedelta | None
) -> None:
    how = dict[str, Any](unique_for=period, idempotency_key="one")
    submitted(database, 1, unique_key="report", unique_for=period)

    with pytest.raises(IdempotencyConflict), database.write() as session:
        submit_many(session, [Submission(message(1), unique_key="report", **how), Submission(message(2), unique_key="other", **how)])


def test_a_single_submission_finds_the_job_that_its_repeated_request_met(database: Database) -> None:
    worker, how = hired(database), dict[str, Any](unique_key="report")
    first = submitted(database, 1, **how)
    assert submit_now(Submission(message(1), **how, idempotency_key="one")).id == first.id
    one = claim(database, worker, first.id)
    assert one is not None
    settle(database, worker, ended(one))

    assert submit_now(Submission(message(1), **how, idempotency_key="one")).id == first.id


def test_a_key_that_met_another_job_is_forgotten_after_a_day(database: Database, time: StillClock) -> None:
    worker, how = hired(database), dict[str, Any](unique_key="report")
    first = submitted(database, 1, **how)
    assert submitted(database, 1, **how, idempotency_key="one").id == first.id
    one = claim(database, worker, first.id)
    assert one is not None
    settle(database, worker, ended(one))

    time.forward(86_401)
    with database.write() as session:
        retention.tidy(session)
        assert session.execute(select(UniquePeriod)).first() is None

    assert submitted(database, 1, **how, idempotency_key="one").created


def test_a_key_function_sees_the_arguments(database: Database) -> None:
    defaults.declare("add", Defaults(JobOptions(unique_until=Unique.FINISHED), unique_by=lambda x, _: x))

    first = submitted(database, 1, "a")

    assert submitted(database, 1, "b").id == first.id


def test_a_job_whose_key_function_returns_none_has_no_key(database: Database) -> None:
    defaults.declare("add", Defaults(JobOptions(unique_until=Unique.FINISHED), unique_by=lambda x: x, fair_by=lambda x: x))

    first, other = submitted(database, None), submitted(database, None)

    assert (first.created, other.created) == (True, True)
    job = look(database, other.id)
    assert (job.unique_key, job.fair_key, job.state) == (None, None, State.QUEUED)


def test_a_job_without_a_key_takes_no_period(database: Database) -> None:
    defaults.declare("add", Defaults(JobOptions(unique_for=timedelta(hours=1)), unique_by=lambda x: x))

    assert [submitted(database, x).created for x in (None, None, 1, 1)] == [True, True, True, False]


def test_long_fair_keys_that_differ_at_their_end_have_turns_of_their_own(database: Database) -> None:
    defaults.declare("add", Defaults(fair_by=lambda url: url))
    queue, page = "q" * 200, f"https://example.com/{'a' * 250}?page="

    first, other = (look(database, submitted(database, f"{page}{number}", queue=queue).id).fair_key or "" for number in (1, 2))

    assert first != other
    assert fair_queueing.waits_for(queue, first) != fair_queueing.waits_for(queue, other)
    with database.read() as session:
        assert fair_queueing.starved(session) == []


def test_the_call_beats_the_actor_and_the_actor_the_rule(database: Database) -> None:
    assert look(database, submitted(database).id).priority == NORMAL_PRIORITY
    defaults.declare("add", Defaults(JobOptions(priority=7), expires_after=timedelta(hours=1)))

    declared, called = look(database, submitted(database).id), look(database, submitted(database, priority=2).id)

    assert (declared.priority, called.priority) == (7, 2)
    assert declared.expires_at == declared.created_at + timedelta(hours=1)


@pytest.mark.parametrize("priority", [-1, 10, 5.5, True])
def test_a_priority_beyond_ten_is_refused(database: Database, priority: int) -> None:
    with pytest.raises(JobsError) as refused:
        submitted(database, priority=priority)
    assert refused.value.field == "priority"


def test_a_small_submitter_does_not_wait_for_a_large_one(database: Database, published: list[Envelope]) -> None:
    with database.write() as session:
        submit_many(session, [Submission(message(n), fair_key="much") for n in range(200)])
    window = len(published)
    assert 0 < window < 200

    with database.write() as session:
        few = {receipt.id for receipt in submit_many(session, [Submission(message(n), fair_key="little") for n in range(3)])}
    worker, done = hired(database), 0
    while few - {envelope.id for envelope in published}:
        envelope = published[done]
        one = claim(database, worker, envelope.id)
        assert one is not None
        settle(database, worker, ended(one, fair_queue="default"))
        done += 1

    assert done <= 6
    assert look(database, published[0].id).state is State.SUCCEEDED


@pytest.mark.usefixtures("time")  # else the lease of the worker runs out on a busy machine
def test_every_fair_job_has_its_turn_in_the_end(database: Database, published: list[Envelope]) -> None:
    with database.write() as session:
        submit_many(session, [Submission(message(n), fair_key=f"key {n % 7}") for n in range(120)])
    worker = hired(database)

    for envelope in published:  # grows while the window is topped up
        one = claim(database, worker, envelope.id)
        assert one is not None
        settle(database, worker, ended(one, fair_queue="default"))

    assert len({envelope.id for envelope in published}) == 120
