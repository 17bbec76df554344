"""Drain: SIGTERM lets actors finish within the grace period; the others are handed back and spend no attempt."""

from __future__ import annotations

from src.jobs import State
from src.jobs.control.actions import cancel
from tests.actors import isolation as actors
from tests.harness.callboard import Callboard
from tests.harness.waiting import eventually


def test_jobs_that_end_within_the_grace_count_and_the_rest_is_handed_back_unspent(callboard: Callboard) -> None:
    worker = callboard.worker(threads=4, shutdown_s=4)
    short, long, asleep = callboard.send(
        actors.wait_for_a_while.message(2.5), actors.wait_for_a_while.message(60), actors.sleep_apart.message()
    )
    eventually(lambda: len(callboard.lines("started")) == 3, deadline_s=30)
    waiting = callboard.send(*(actors.wait_for_a_while.message(0.1) for _ in range(3)))

    took = worker.stop()

    assert 3 < took < 12
    assert (callboard.job(short).state, callboard.job(short).result) == (State.SUCCEEDED, "whole")
    for id in (long, asleep):
        job = callboard.job(id)
        assert (job.state, job.attempt, job.crashes, job.attempts) == (State.QUEUED, 0, 0, []), job.reason
    assert all(callboard.job(id).state in (State.QUEUED, State.SUCCEEDED) for id in waiting)
    assert callboard.alive() == 0
    callboard.worker(threads=4)
    eventually(lambda: callboard.job(asleep).state is State.RUNNING, deadline_s=20)
    assert callboard.job(asleep).attempt == 1


def test_actors_that_want_to_know_get_shutdown_in_a_thread_and_in_a_process(callboard: Callboard) -> None:
    worker = callboard.worker(threads=4, shutdown_s=20)
    ids = callboard.send(actors.tidy_up.message(), actors.tidy_up_apart.message())
    eventually(lambda: len(callboard.lines("started")) == 2, deadline_s=30)

    assert worker.stop() < 10

    assert sorted(callboard.lines("told")) == sorted(ids)
    assert [callboard.job(id).result for id in ids] == ["tidy", "tidy"]


def test_a_cancel_that_was_ignored_before_the_drain_is_certain_after_it(callboard: Callboard) -> None:
    worker = callboard.worker(threads=1, shutdown_s=1, cancel_grace=30)
    (id,) = callboard.send(actors.ignore_cancel_apart.message())
    eventually(lambda: callboard.lines("started") == [id], deadline_s=30)
    with callboard.database.write() as session:
        cancel(session, id)
    assert callboard.job(id).state is State.RUNNING  # cancelling, not cancelled

    worker.stop()

    assert callboard.job(id).state is State.CANCELLED
