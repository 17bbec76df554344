"""The room that a process has for claimed jobs."""

from __future__ import annotations

from src.broker.core.load import Load

THREADS = 8


def test_claims_of_short_jobs_wait_until_half_of_the_room_is_free() -> None:
    load = _with_short_jobs()
    room = load.reserve(10_000)

    load.release(room // 4)
    assert load.reserve(10_000) == 0

    load.release(room // 2)
    assert load.reserve(10_000) >= room // 2


def test_a_few_jobs_that_fit_are_claimed_at_once() -> None:
    load = _with_short_jobs()
    room = load.reserve(10_000)

    load.release(3)

    assert load.reserve(3) == 3
    assert load.reserve(1) == 0
    assert load.in_flight == room


def test_long_jobs_are_claimed_one_by_one_as_threads_become_free() -> None:
    load = Load(THREADS)
    room = load.reserve(10_000)
    assert room < 4 * THREADS

    load.finished(0.1)

    assert load.reserve(10_000) == 1


def _with_short_jobs() -> Load:
    load = Load(THREADS)
    for _ in range(100):
        load.reserve(1)
        load.finished(0.0001)
    return load
