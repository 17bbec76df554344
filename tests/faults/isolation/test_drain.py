"""Drain: SIGTERM lets actors finish within the grace period; what does not is handed back and spends no attempt."""

from __future__ import annotations

from src.jobs import State
from src.jobs.control import cancel
from tests.actors import isolation as actors
from tests.harness.isolation_house import House
from tests.harness.waiting import eventually


def test_what_ends_within_the_grace_is_kept_and_the_rest_is_handed_back_unspent(house: House) -> None:
    worker = house.worker(threads=4, shutdown_s=4)
    short, long, asleep = house.send(
        actors.wait_for_a_while.message(2.5), actors.wait_for_a_while.message(60), actors.sleep_apart.message()
    )
    eventually(lambda: len(house.lines("started")) == 3, deadline_s=30)
    waiting = house.send(*(actors.wait_for_a_while.message(0.1) for _ in range(3)))

    took = worker.stop()

    assert 3 < took < 12
    assert (house.job(short).state, house.job(short).result) == (State.SUCCEEDED, "whole")
    for id in (long, asleep):
        job = house.job(id)
        assert (job.state, job.attempt, job.crashes, job.attempts) == (State.QUEUED, 0, 0, []), job.reason
    assert all(house.job(id).state in (State.QUEUED, State.SUCCEEDED) for id in waiting)
    assert house.alive() == 0
    house.worker(threads=4)
    eventually(lambda: house.job(asleep).state is State.RUNNING, deadline_s=20)
    assert house.job(asleep).attempt == 1


def test_actors_that_want_to_know_get_shutdown_in_a_thread_and_in_a_process(house: House) -> None:
    worker = house.worker(threads=4, shutdown_s=20)
    ids = house.send(actors.tidy_up.message(), actors.tidy_up_apart.message())
    eventually(lambda: len(house.lines("started")) == 2, deadline_s=30)

    assert worker.stop() < 10

    assert sorted(house.lines("told")) == sorted(ids)
    assert [house.job(id).result for id in ids] == ["tidy", "tidy"]


def test_a_cancel_that_nobody_heeded_before_the_drain_is_certain_after_it(house: House) -> None:
    worker = house.worker(threads=1, shutdown_s=1, cancel_grace=30)
    (id,) = house.send(actors.ignore_cancel_apart.message())
    eventually(lambda: house.lines("started") == [id], deadline_s=30)
    with house.database.write() as session:
        cancel(session, id)
    assert house.job(id).state is State.RUNNING  # cancelling, not cancelled

    worker.stop()

    assert house.job(id).state is State.CANCELLED
