"""claim(), explain() and give_back(): the lease of a job."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from src.jobs import State
from src.jobs.control import actions
from src.jobs.core.models import Worker
from src.jobs.leases import claims
from src.jobs.leases.claims import Unclaimable
from src.jobs.leases.workers import sign_off, take_over
from src.settings import get_settings
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, claimed, ended, hired, in_state, look, settle, submitted

pytestmark = pytest.mark.both_stores


def test_a_claim_starts_the_job_and_tells_everything_that_runs(database: Database) -> None:
    worker = hired(database)
    id = submitted(database, 1, "ü", queue="mail").id

    one = claim(database, worker, id)

    assert one is not None
    assert (one.id, one.attempt, one.actor, one.queue, one.args, one.failures) == (id, 1, "add", "mail", '[1,"\\u00fc"]', 0)
    job = look(database, id)
    assert (job.state, job.attempt, job.worker_id, job.publish_at) == (State.RUNNING, 1, worker, None)
    assert job.started_at is not None
    # No key at all: SQLite, asked whether it is NULL, says otherwise where a partial index has the same words.
    assert not one.is_fair
    assert not one.frees_key
    assert one.created_us // 1_000_000 == int(job.created_at.timestamp())


def test_the_second_copy_of_a_message_claims_nothing(database: Database) -> None:
    one = claimed(database, hired(database))

    assert claim(database, hired(database, "there:2"), one.id) is None


def test_two_copies_in_one_batch_claim_once(database: Database) -> None:
    worker = hired(database)
    id = submitted(database).id

    with database.write() as session:
        found = claims.claim(session, worker, [(id, 1), (id, 1), (id, 2)])

    assert [(one.id, one.attempt) for one in found] == [(id, 1)]


def test_of_many_claimers_at_once_exactly_one_gets_each_job(database: Database) -> None:
    workers = [hired(database, f"here:{number}") for number in range(4)]
    ids = [submitted(database, number).id for number in range(20)]
    start = threading.Barrier(len(workers))
    won: list[str] = []

    def claim_all(worker: int) -> None:
        start.wait()
        for id in ids:
            if claim(database, worker, id):
                won.append(id)

    threads = [threading.Thread(target=claim_all, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == sorted(ids)
    assert {look(database, id).attempt for id in ids} == {1}


def test_a_message_of_another_attempt_claims_nothing(database: Database) -> None:
    worker = hired(database)
    id = submitted(database).id

    assert [claim(database, worker, id, attempt) for attempt in (0, 2, 3, 2**31 - 1)] == [None] * 4
    assert look(database, id).state is State.QUEUED


def test_only_a_queued_job_can_be_claimed(database: Database) -> None:
    worker = hired(database)
    for state in set(State) - {State.QUEUED}:
        id = in_state(database, state)
        before = look(database, id)

        assert [claim(database, worker, id, attempt) for attempt in (1, 2)] == [None, None], state
        after = look(database, id)
        assert (after.state, after.attempt, after.worker_id) == (before.state, before.attempt, before.worker_id)


def test_an_expired_job_is_not_claimed(database: Database, time: StillClock) -> None:
    worker = hired(database)
    id = submitted(database, expires_at=now() + timedelta(seconds=1)).id
    time.forward(1)

    assert claim(database, worker, id) is None


def test_a_worker_whose_lease_ran_out_gets_nothing(database: Database, time: StillClock) -> None:
    worker = hired(database)
    id = submitted(database).id
    time.forward(get_settings().lease_duration)

    assert claim(database, worker, id) is None


def test_a_worker_that_was_given_up_gets_nothing(database: Database, time: StillClock) -> None:
    worker = hired(database)
    time.forward(get_settings().lease_duration)
    with database.write() as session:
        take_over(session)
    time.forward(-get_settings().lease_duration)

    assert claim(database, worker, submitted(database).id) is None


def test_a_worker_that_signed_off_gets_nothing(database: Database) -> None:
    worker = hired(database)
    with database.write() as session:
        sign_off(session, worker)

    assert claim(database, worker, submitted(database).id) is None


def test_an_unknown_worker_or_job_is_no_claim(database: Database) -> None:
    assert claim(database, 999_999, submitted(database).id) is None
    assert claim(database, hired(database), "no such job") is None


def test_an_empty_batch_is_no_error(database: Database) -> None:
    with database.write() as session:
        assert claims.claim(session, hired(database) if not database.is_sqlite else 1, []) == []


def test_a_claim_forgets_the_progress_of_the_attempt_before(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    settle(database, worker, ended(one, State.DEAD, progress=(5, 10, "half")))
    with database.write() as session:
        actions.retry(session, one.id)
    assert look(database, one.id).progress_done == 5

    claim(database, worker, one.id, 2)

    job = look(database, one.id)
    assert (job.progress_done, job.progress_total, job.progress_message) == (None, None, None)


def test_each_reason_against_a_claim_is_given(database: Database, time: StillClock) -> None:
    worker = hired(database)
    unknown_actor = submitted(database, actor="elsewhere").id
    expired = submitted(database, expires_at=now() + timedelta(seconds=1)).id
    running = claimed(database, worker).id
    done = in_state(database, State.SUCCEEDED)
    time.forward(1)

    with database.read() as session:
        reasons = claims.explain(session, [unknown_actor, expired, running, done, "nobody's"], {"add"})

    assert reasons == {
        unknown_actor: Unclaimable.UNKNOWN_ACTOR,
        expired: Unclaimable.EXPIRED,
        running: Unclaimable.STALE,
        done: Unclaimable.STALE,
        "nobody's": Unclaimable.UNKNOWN_JOB,
    }


def test_a_message_for_another_worker_is_distinguished_from_a_copy(database: Database) -> None:
    worker = hired(database)
    again = claimed(database, worker)
    with database.write() as session:
        claims.give_back(session, worker, [(again.seq, again.attempt)])
        session.get_one(Worker, worker).lost_at = now()
    first = submitted(database).id
    wanted = {(first, 1), (again.id, 1), (again.id, 2)}

    with database.write() as session:
        assert claims.claim(session, worker, sorted(wanted)) == []
        reasons = claims.explain(session, [first, again.id], {"add"}, wanted=wanted)
        copies = claims.explain(session, [first, again.id], {"add"}, wanted={(first, 2), (again.id, 2)})

    assert reasons == {first: Unclaimable.REFUSED, again.id: Unclaimable.REFUSED}
    assert copies == {first: Unclaimable.STALE, again.id: Unclaimable.STALE}


# give_back


def test_a_job_given_back_is_queued_again_without_an_attempt_spent(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)

    with database.write() as session:
        assert claims.give_back(session, worker, [(one.seq, one.attempt)]) == 1

    job = look(database, one.id)
    assert (job.state, job.attempt, job.worker_id, job.started_at, job.attempts) == (State.QUEUED, 0, None, None, [])
    assert job.publish_at is not None
    assert claim(database, worker, one.id, 1) is not None


def test_a_job_with_a_cancel_request_is_cancelled_when_given_back(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    with database.write() as session:
        actions.cancel(session, one.id)

    with database.write() as session:
        claims.give_back(session, worker, [(one.seq, one.attempt)])

    job = look(database, one.id)
    assert (job.state, job.publish_at, job.worker_id) == (State.CANCELLED, None, None)
    assert job.finished_at is not None
    assert job.reason


def test_nobody_gives_back_the_job_of_another_or_one_that_has_ended(database: Database) -> None:
    worker, other = hired(database), hired(database, "there:2")
    running, done = claimed(database, worker), claimed(database, worker)
    settle(database, worker, ended(done))

    with database.write() as session:
        assert claims.give_back(session, other, [(running.seq, running.attempt)]) == 0
        assert claims.give_back(session, worker, [(running.seq, 2), (done.seq, 1)]) == 0

    assert look(database, running.id).state is State.RUNNING
    assert look(database, done.id).state is State.SUCCEEDED


def test_a_claim_that_sql_has_forgotten_is_taken_again_by_who_holds_it(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    with database.write() as session:
        claims.give_back(session, worker, [(one.seq, one.attempt)])  # as a PostgreSQL leaves it that was killed a moment after the claim

        assert claims.retake(session, worker, {(one.seq, one.attempt): one.id}) == [one.seq]

    job = look(database, one.id)
    assert (job.state, job.attempt, job.worker_id, job.publish_at) == (State.RUNNING, 1, worker, None)
    assert settle(database, worker, ended(one)) == {one.seq}


def test_a_job_that_was_given_away_or_has_ended_is_not_claimed_again(database: Database, time: StillClock) -> None:
    worker, other = hired(database), hired(database, "there:2")
    gone, done, cancelled, late = (claimed(database, worker) for _ in range(4))
    settle(database, worker, ended(done))
    with database.write() as session:
        claims.give_back(session, worker, [(one.seq, one.attempt) for one in (gone, cancelled, late)])
        actions.cancel(session, cancelled.id)
    assert claim(database, other, gone.id) is not None

    with database.write() as session:
        assert claims.retake(session, worker, {(one.seq, one.attempt): one.id for one in (gone, done, cancelled)}) == []
        time.forward(get_settings().lease_duration + 1)
        assert claims.retake(session, worker, {(late.seq, late.attempt): late.id}) == []
