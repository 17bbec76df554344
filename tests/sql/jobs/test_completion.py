"""settle(): the end of an attempt, written once and only by its holder."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from src.jobs import Outcome, State
from src.jobs.control import actions
from src.jobs.core.claimed import Claimed
from src.jobs.core.envelopes import Envelope
from src.jobs.core.states import HeldFor
from src.jobs.finish import ending
from src.jobs.finish.settle import ERROR_LIMIT, TRACEBACK_LIMIT, note_progress, storable
from src.jobs.finish.settle import settle as settle_all
from src.jobs.leases.claims import claim as claim_many
from src.jobs.leases.workers import take_over
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_many
from src.settings import get_settings
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, claimed, ended, hired, look, message, settle, submitted

pytestmark = pytest.mark.both_stores


def test_a_success_is_final_with_its_result_and_its_attempt(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)

    moved = settle(database, worker, ended(one, result='{"sum":3}', progress=(1, 1, "done")), name="here:7")

    job = look(database, one.id)
    assert moved == {one.seq}
    assert (job.state, job.result, job.error, job.worker_id, job.failures) == (State.SUCCEEDED, {"sum": 3}, None, None, 0)
    assert (job.progress_done, job.progress_total, job.progress_message) == (1, 1, "done")
    assert job.finished_at is not None
    assert [(a.number, a.worker, a.outcome, a.error) for a in job.attempts] == [(1, "here:7", Outcome.SUCCEEDED, None)]


def test_a_failure_that_is_retried_waits_for_its_instant(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    end = ended(one, State.RETRYING, error="ValueError: no", traceback="Traceback …", reason="retry 1 of 3", failures=1)

    settle(database, worker, end)

    job = look(database, one.id)
    assert (job.state, job.error, job.reason, job.failures, job.finished_at) == (
        State.RETRYING,
        "ValueError: no",
        "retry 1 of 3",
        1,
        None,
    )
    assert job.due_at is not None
    assert [(a.number, a.outcome, a.error, a.traceback) for a in job.attempts] == [(1, Outcome.FAILED, "ValueError: no", "Traceback …")]


@pytest.mark.parametrize("state", [State.DEAD, State.CANCELLED, State.HELD])
def test_every_other_end_is_written_with_its_reason(database: Database, state: State) -> None:
    worker = hired(database)
    one = claimed(database, worker)

    settle(database, worker, ended(one, state, reason="because"))

    job = look(database, one.id)
    assert (job.state, job.reason, job.finished_at is not None) == (state, "because", state.is_final)
    assert job.held_for is (HeldFor.ARGUMENTS if state is State.HELD else None)


def test_a_repeated_report_changes_nothing(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    settle(database, worker, ended(one, result="1"))

    again = settle(database, worker, ended(one, State.DEAD, error="late"))

    job = look(database, one.id)
    assert again == set()
    assert (job.state, job.result, job.error, len(job.attempts)) == (State.SUCCEEDED, 1, None, 1)


def test_another_worker_cannot_report_for_the_holder(database: Database) -> None:
    worker, other = hired(database), hired(database, "there:2")
    one = claimed(database, worker)

    assert settle(database, other, ended(one)) == set()
    assert look(database, one.id).state is State.RUNNING


def test_a_report_of_an_attempt_that_was_given_away_changes_nothing(database: Database, time: StillClock) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    time.forward(get_settings().lease_duration)
    with database.write() as session:
        take_over(session)
    successor = hired(database, "there:2")
    assert claim(database, successor, one.id, 2) is not None

    assert settle(database, worker, ended(one, result="1")) == set()

    job = look(database, one.id)
    assert (job.state, job.attempt, job.worker_id, [a.outcome for a in job.attempts]) == (State.RUNNING, 2, successor, [Outcome.LOST])


@pytest.mark.parametrize(
    "report",
    [
        lambda session, worker, late: settle_all(session, [ended(late, result="1")], worker_id=worker, worker="here:1"),
        lambda session, worker, late: settle_all(session, [ended(late, State.RETRYING, error="no")], worker_id=worker, worker="here:1"),
        lambda session, worker, late: ending.give_back(session, worker, [(late.seq, late.attempt)]),
        lambda session, _, late: ending.defer(session, [(late.seq, late.attempt, "a limit", 1, None, None)]),
        lambda session, _, late: ending.lose(
            session, [ending.Loss(late.seq, late.attempt, State.QUEUED, "lost", False, 1, "here:1", None, "f" * 16)]
        ),
        lambda session, _, late: note_progress(session, [(late.seq, late.attempt, 9, 10, "late")]),
    ],
    ids=["success", "failure", "given back", "deferred", "lost", "progress"],
)
def test_a_late_report_of_an_earlier_attempt_of_the_same_worker_changes_nothing(
    report: Callable[[Session, int, Claimed], object], database: Database
) -> None:
    worker = hired(database)
    late = claimed(database, worker)
    settle(database, worker, ended(late, State.RETRYING, error="no"))
    with database.write() as session:
        actions.run_now(session, late.id)
    assert claim(database, worker, late.id, 2) is not None

    with database.write() as session:
        report(session, worker, late)

    job = look(database, late.id)
    assert (job.state, job.attempt, job.worker_id, job.crashes, job.progress_done) == (State.RUNNING, 2, worker, 0, None)
    assert [attempt.number for attempt in job.attempts] == [1]


def test_in_one_batch_the_late_ones_do_not_hold_up_the_others(database: Database) -> None:
    worker = hired(database)
    late, first, second = (claimed(database, worker, number) for number in range(3))
    settle(database, worker, ended(late))

    moved = settle(database, worker, ended(second, result="2"), ended(late, State.DEAD), ended(first, result="1"))

    assert moved == {first.seq, second.seq}
    assert [look(database, one.id).result for one in (first, second)] == [1, 2]


def test_five_hundred_ends_are_one_batch(database: Database) -> None:
    worker = hired(database)
    with database.write() as session:
        receipts = submit_many(session, [Submission(message(number)) for number in range(500)])
    with database.write() as session:
        all_of_them = claim_many(session, worker, [(receipt.id, 1) for receipt in receipts])

    moved = settle(database, worker, *[ended(one, result=one.args) for one in all_of_them])

    assert len(moved) == 500
    assert [look(database, receipts[at].id).result for at in (0, 250, 499)] == [[0], [250], [499]]


def test_a_cancel_that_was_asked_for_wins_over_another_attempt(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    with database.write() as session:
        actions.cancel(session, one.id)

    settle(database, worker, ended(one, State.RETRYING, reason="retry 1 of 3", error="ValueError"))

    job = look(database, one.id)
    assert (job.state, job.due_at) == (State.CANCELLED, None)
    assert job.finished_at is not None
    assert job.reason == "cancelled while it ran"
    assert [a.outcome for a in job.attempts] == [Outcome.FAILED]


@pytest.mark.both_stores
@pytest.mark.parametrize("state", [State.RETRYING, State.DEAD])
def test_a_cancel_that_was_asked_for_wins_over_a_failure_and_what_follows_it(
    database: Database, published: list[Envelope], state: State
) -> None:
    worker = hired(database)
    one, other = claimed(database, worker), claimed(database, worker)
    with database.write() as session:
        actions.cancel(session, one.id)
    published.clear()
    callbacks = {each.id: message("callback") for each in (one, other)}

    failed = {"reason": "retries exhausted", "error": "ValueError", "failures": 1}
    settle(database, worker, *(ended(each, state, **failed, follow_ups=[Submission(callbacks[each.id])]) for each in (one, other)))

    job = look(database, one.id)
    assert (job.state, job.reason, job.due_at) == (State.CANCELLED, "cancelled while it ran", None)
    assert (job.failures, job.error, [attempt.outcome for attempt in job.attempts]) == (1, "ValueError", [Outcome.FAILED])
    assert job.finished_at is not None
    assert look(database, other.id).state is state
    assert [envelope.id for envelope in published] == [callbacks[other.id].message_id]


def test_a_cancel_that_was_asked_for_wins_over_being_held(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    with database.write() as session:
        actions.cancel(session, one.id)

    settle(database, worker, ended(one, State.HELD, reason="the arguments do not fit"))

    assert look(database, one.id).state is State.CANCELLED


def test_a_success_wins_over_a_cancel_that_came_too_late(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    with database.write() as session:
        actions.cancel(session, one.id)

    settle(database, worker, ended(one, result="1"))

    assert look(database, one.id).state is State.SUCCEEDED


def test_follow_ups_are_submitted_with_the_end_and_only_if_it_moved(database: Database, published: list[Envelope]) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    next_step = message("next")
    end = ended(one, follow_ups=[Submission(next_step)])
    published.clear()

    settle(database, worker, end)
    end.follow_ups = [Submission(message("again"))]
    settle(database, worker, end)

    assert look(database, next_step.message_id).args == ["next"]
    assert [envelope.id for envelope in published] == [next_step.message_id]


def test_texts_that_no_store_can_hold_are_written_readably(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)

    settle(
        database,
        worker,
        ended(one, State.DEAD, error="nul \x00", reason="lone \ud800", traceback="both \x00\udfff", progress=(1, None, "\x00")),
    )

    job = look(database, one.id)
    assert (job.error, job.reason, job.attempts[0].traceback) == ("nul \\x00", "lone \\ud800", "both \\x00\\udfff")
    assert job.progress_message == "\\x00"


def test_long_texts_are_cut_in_the_middle(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)

    settle(database, worker, ended(one, State.DEAD, error="<" + "e" * 10_000 + ">", traceback="<" + "t" * 200_000 + ">"))

    job = look(database, one.id)
    assert job.error is not None
    traceback = job.attempts[0].traceback
    assert traceback is not None
    for text, limit in ((job.error, ERROR_LIMIT), (traceback, TRACEBACK_LIMIT)):
        assert text.startswith("<")
        assert text.endswith(">")
        assert "characters left out" in text
        assert len(text) < limit + 100


@pytest.mark.parametrize("text", ["null", "NaN", '"\\u0000"', '"\\ud800"', str(10**300), '{"a":[1,{"b":null}]}'])
def test_a_result_comes_back_as_it_was_written(database: Database, text: str) -> None:
    worker = hired(database)
    one = claimed(database, worker)

    settle(database, worker, ended(one, result=text))

    assert repr(look(database, one.id).result) == repr(json.loads(text))


def test_progress_is_noted_only_for_the_attempt_that_runs(database: Database) -> None:
    worker = hired(database)
    running, done = claimed(database, worker), claimed(database, worker)
    settle(database, worker, ended(done))

    with database.write() as session:
        note_progress(session, [(running.seq, 1, 3, 10, "three"), (done.seq, 1, 9, 9, "late")])
    with database.write() as session:
        note_progress(session, [(running.seq, 2, 4, 10, "another attempt's")])

    job = look(database, running.id)
    assert (job.progress_done, job.progress_total, job.progress_message) == (3, 10, "three")
    assert look(database, done.id).progress_done is None


def test_an_end_without_progress_keeps_what_was_noted(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    with database.write() as session:
        note_progress(session, [(one.seq, 1, 3, 10, "three")])

    settle(database, worker, ended(one))

    assert look(database, one.id).progress_done == 3


def test_nothing_is_storable_as_nothing() -> None:
    assert storable(None, 10) is None
    assert storable("", 10) == ""
    assert storable("exactly 10", 10) == "exactly 10"


def test_a_job_without_attempts_has_none(database: Database) -> None:
    assert look(database, submitted(database).id).attempts == []
