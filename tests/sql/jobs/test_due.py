"""Rows that the relay takes: due, unconfirmed, expired."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from src.jobs import State
from src.jobs.core.envelopes import Envelope
from src.jobs.core.release import CONFIRM_WITHIN, release_waiting
from src.jobs.leases import workers
from src.jobs.leases.workers import Death
from src.jobs.relay import due_jobs, lost_messages
from src.jobs.relay.confirmations import mark_published
from src.settings import get_settings
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, claimed, ended, hired, in_state, look, settle, submitted
from tests.harness.stores import only_on

pytestmark = pytest.mark.both_stores


def release(database: Database, limit: int = 500) -> list[Envelope]:
    with database.write() as session:
        return due_jobs.release_due(session, limit)


def unpublished(database: Database, limit: int = 500) -> list[Envelope]:
    with database.write() as session:
        return due_jobs.take_unpublished(session, limit)


def expire(database: Database) -> int:
    with database.write() as session:
        return due_jobs.expire(session)


def test_a_scheduled_job_is_never_released_early(database: Database, time: StillClock) -> None:
    id = submitted(database, due_at=now() + timedelta(seconds=10)).id
    time.forward(9.999999)

    assert release(database) == []
    assert look(database, id).state is State.SCHEDULED


def test_a_scheduled_job_is_released_at_its_instant_for_its_first_attempt(database: Database, time: StillClock) -> None:
    id = submitted(database, 1, due_at=now() + timedelta(seconds=10)).id
    time.forward(10)

    (envelope,) = release(database)

    assert (envelope.id, envelope.attempt) == (id, 1)
    job = look(database, id)
    assert job.state is State.QUEUED
    assert job.publish_at is not None


def test_a_retrying_job_is_released_for_its_next_attempt(database: Database, time: StillClock) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    settle(database, worker, ended(one, State.RETRYING))
    assert release(database) == []
    time.forward(60)

    (envelope,) = release(database)

    assert (envelope.id, envelope.attempt) == (one.id, 2)
    assert look(database, one.id).reason is None


def test_a_batch_takes_the_longest_due_first(database: Database, time: StillClock) -> None:
    late, early = (submitted(database, due_at=now() + timedelta(seconds=seconds)).id for seconds in (2, 1))
    time.forward(10)

    assert [envelope.id for envelope in release(database, limit=1)] == [early]
    assert [envelope.id for envelope in release(database, limit=1)] == [late]


def test_a_job_that_expires_before_it_is_due_is_expired_not_released(database: Database, time: StillClock) -> None:
    id = submitted(database, due_at=now() + timedelta(seconds=10), expires_at=now() + timedelta(seconds=5)).id
    time.forward(10)

    assert release(database) == []
    assert expire(database) == 1
    job = look(database, id)
    assert (job.state, job.finished_at, job.publish_at) == (State.EXPIRED, time.instant, None)
    assert job.reason == "it had not started when it expired"


def test_only_waiting_jobs_expire(database: Database, time: StillClock) -> None:
    worker = hired(database)
    expires_at = now() + timedelta(seconds=5)
    retrying = claimed(database, worker, expires_at=expires_at)
    settle(database, worker, ended(retrying, State.RETRYING))
    running = claimed(database, worker, expires_at=expires_at)
    queued = submitted(database, expires_at=expires_at)
    unlimited = submitted(database)
    time.forward(5)

    assert expire(database) == 2
    states = [look(database, one.id).state for one in (retrying, running, queued, unlimited)]
    assert states == [State.EXPIRED, State.RUNNING, State.EXPIRED, State.QUEUED]


def test_a_fresh_job_is_left_to_the_publisher_of_its_own_process(database: Database, time: StillClock) -> None:
    id = submitted(database).id
    assert unpublished(database) == []

    time.forward(get_settings().publish_grace)

    assert [(envelope.id, envelope.attempt) for envelope in unpublished(database)] == [(id, 1)]


def test_a_row_taken_by_one_relay_is_left_to_it_until_its_time_to_confirm_is_over(database: Database, time: StillClock) -> None:
    id = submitted(database).id
    time.forward(get_settings().publish_grace)

    assert len(unpublished(database)) == 1
    assert unpublished(database) == []
    time.forward(CONFIRM_WITHIN)
    assert [envelope.id for envelope in unpublished(database)] == [id]


def test_a_confirmed_job_is_not_published_again(database: Database, published: list[Envelope], time: StillClock) -> None:
    submitted(database)
    with database.write() as session:
        mark_published(session, published)
    time.forward(3600)

    assert unpublished(database) == []


def test_a_job_that_has_moved_on_is_not_published(database: Database, time: StillClock) -> None:
    for state in set(State) - {State.QUEUED}:
        in_state(database, state)
    time.forward(30)

    assert unpublished(database) == []


def test_two_relays_at_once_take_no_row_twice(database: Database, time: StillClock) -> None:
    ids = {submitted(database, due_at=now() + timedelta(seconds=1)).id for _ in range(60)}
    time.forward(1)
    start = threading.Barrier(3)
    taken: list[str] = []

    def relay() -> None:
        start.wait()
        while envelopes := release(database, limit=7):
            taken.extend(envelope.id for envelope in envelopes)

    threads = [threading.Thread(target=relay) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == len(ids)
    assert set(taken) == ids


def test_on_postgresql_a_relay_skips_the_rows_that_another_holds(database: Database, time: StillClock) -> None:
    for _ in range(4):
        submitted(database, due_at=now() + timedelta(seconds=1))
    time.forward(1)
    if database.is_sqlite:
        assert len(release(database)) == 4  # one writer at a time: no locked rows to skip
        return

    with database.write() as first, database.write() as second:
        taken = [{envelope.id for envelope in due_jobs.release_due(session, 3)} for session in (first, second)]

    assert [len(ids) for ids in taken] == [3, 1]
    assert not taken[0] & taken[1]


def test_the_next_instant_is_the_earliest_of_all_kinds(database: Database, time: StillClock) -> None:
    def next_instant() -> object:
        with database.read() as session:
            return due_jobs.next_instant(session)

    assert next_instant() is None
    submitted(database, due_at=now() + timedelta(hours=3))
    assert next_instant() == now() + timedelta(hours=3)
    submitted(database, due_at=now() + timedelta(hours=3), expires_at=now() + timedelta(hours=1))
    assert next_instant() == now() + timedelta(hours=1)
    submitted(database)
    assert next_instant() == now() + timedelta(seconds=get_settings().publish_grace)


def test_an_ended_job_has_no_next_instant(database: Database) -> None:
    for state in (State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED, State.HELD):
        in_state(database, state)

    with database.read() as session:
        assert due_jobs.next_instant(session) is None


# lost messages


def test_only_jobs_published_long_ago_and_still_queued_are_doubted(database: Database, published: list[Envelope], time: StillClock) -> None:
    submitted(database, queue="old")
    claimed(database, hired(database), queue="started")
    with database.write() as session:
        mark_published(session, published)
    time.forward(60)
    submitted(database, queue="never.confirmed")

    with database.read() as session:
        waiting = lost_messages.waiting_since(session, now() - timedelta(seconds=30))

    assert waiting == {"old": 1}


def test_a_doubted_job_is_published_again_by_the_relay(database: Database, published: list[Envelope], time: StillClock) -> None:
    id = submitted(database, queue="old").id
    submitted(database, queue="other")
    with database.write() as session:
        mark_published(session, published)
    time.forward(60)

    with database.write() as session:
        assert lost_messages.publish_again(session, "old", now() - timedelta(seconds=30)) == 1

    assert [envelope.id for envelope in unpublished(database)] == [id]


def test_the_frontier_of_a_queue_is_the_newest_of_its_living_workers(database: Database, time: StillClock) -> None:
    for name, claimed_us in (("a", 1_000_000), ("b", 3_000_000), ("c", 2_000_000)):
        with database.write() as session:
            id = workers.register(session, name=name, host="here", pid=1, version="0", threads=1, queues=["q"], actors=[])
            workers.heartbeat(session, id, busy=0, frontier={"q": claimed_us})
    with database.read() as session:
        assert {queue: instant.timestamp() for queue, instant in lost_messages.frontiers(session).items()} == {"q": 3.0}
    time.forward(get_settings().lease_duration)

    with database.read() as session:
        assert lost_messages.frontiers(session) == {}


def test_a_job_that_lost_its_worker_goes_first_once_whether_it_had_begun_or_not(database: Database, time: StillClock) -> None:
    worker = hired(database)
    begun, waited = claimed(database, worker), claimed(database, worker)
    others = submitted(database).id
    with database.write() as session:
        workers.report_death(session, Death(worker, "was killed", frozenset({(begun.seq, 1)})))
    time.forward(60)

    assert {each.id: each.priority for each in unpublished(database)} == {begun.id: 9, waited.id: 9, others: 5}

    again = hired(database)
    for id in (begun.id, waited.id):
        back = claim(database, again, id, 2)
        assert back is not None
        settle(database, again, ended(back, State.RETRYING))
    time.forward(3600)
    assert {each.priority for each in release(database)} == {5}, "an attempt that failed by itself waits like others"


@only_on("postgresql")
def test_no_plan_takes_more_than_the_limit(database: Database) -> None:
    for _ in range(5):
        submitted(database, waits_for="a line", due_at=None)
    with database.write() as session:
        for kind in ("hashjoin", "mergejoin", "material", "memoize", "hashagg", "sort"):
            session.execute(text(f"SET LOCAL enable_{kind} = off"))

        assert len(release_waiting(session, "a line", 2)) == 2
