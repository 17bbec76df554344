"""Periods and pace of jobs: every instant of a job's life lies in one period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from src.jobs.core.models import Attempt, Job
from src.jobs.core.states import Outcome, State
from src.operations.jobs.documents.job_timeline import Pauses, Period, _with_pauses, pace, periods

START = datetime(2026, 3, 18, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def job(state: State, *attempts: tuple[float, float, Outcome], **values: Any) -> Job:
    made = Job(state=state, created_at=START, attempt=len(attempts), queue="default", actor="add", **values)
    made.__dict__["attempts"] = [
        Attempt(number=number, started_at=at(begin), finished_at=at(end), outcome=outcome)
        for number, (begin, end, outcome) in enumerate(attempts, 1)
    ]
    return made


def told(found: list[Period]) -> list[tuple[str, int, float, float]]:
    return [(each.kind, each.attempt, (each.begin - START).total_seconds(), (each.end - START).total_seconds()) for each in found]


def test_a_retried_job_waits_backs_off_and_waits_again() -> None:
    found = periods(job(State.SUCCEEDED, (2, 5, Outcome.FAILED), (20, 30, Outcome.SUCCEEDED), due_at=at(15), finished_at=at(30)), at(99))
    assert told(found) == [
        ("queued", 1, 0, 2),
        ("failed", 1, 2, 5),
        ("back-off", 2, 5, 15),
        ("queued", 2, 15, 20),
        ("succeeded", 2, 20, 30),
    ]
    assert all(before.end == after.begin for before, after in pairwise(found))


def test_a_delayed_job_is_scheduled_until_it_is_due() -> None:
    assert told(periods(job(State.SCHEDULED, due_at=at(60)), at(10))) == [("scheduled", 1, 0, 10), ("due", 1, 10, 60)]
    assert told(periods(job(State.QUEUED, due_at=at(60)), at(70))) == [("scheduled", 1, 0, 60), ("queued", 1, 60, 70)]


def test_a_lost_attempt_is_followed_by_a_wait_without_back_off() -> None:
    found = periods(job(State.QUEUED, (1, 4, Outcome.LOST)), at(9))
    assert told(found)[-1] == ("queued", 2, 4, 9)
    assert found[-1].is_open


def test_a_running_attempt_is_open_and_a_cancelled_wait_has_ended() -> None:
    running = job(State.RUNNING, (1, 4, Outcome.FAILED), started_at=at(8))
    running.attempt = 2
    assert told(periods(running, at(10)))[-1] == ("running", 2, 8, 10)
    assert periods(running, at(10))[-1].is_open
    ended = periods(job(State.CANCELLED, finished_at=at(3)), at(99))
    assert told(ended) == [("queued", 1, 0, 3)]
    assert not ended[-1].is_open


def test_pauses_divide_the_wait_in_a_queue() -> None:
    found = [Period("queued", 1, at(0), at(10), True), Period("back-off", 2, at(10), at(20))]
    divided = list(_with_pauses(found, [Pauses(at(-5), at(2)), Pauses(at(4), at(6)), Pauses(at(8), None)], at(10)))
    assert told(divided) == [
        ("paused", 1, 0, 2),
        ("queued", 1, 2, 4),
        ("paused", 1, 4, 6),
        ("queued", 1, 6, 8),
        ("paused", 1, 8, 10),
        ("back-off", 2, 10, 20),
    ]
    assert [each.is_open for each in divided] == [False, False, False, False, True, False]


def test_the_pace_needs_progress_and_the_time_left_a_total() -> None:
    running = job(State.RUNNING, started_at=at(0))
    running.progress_done, running.progress_total = 30, 90
    found = pace(running, at(10))
    assert found is not None
    assert (found.per_second, found.left) == (3.0, timedelta(seconds=20))
    running.progress_total = None
    found = pace(running, at(10))
    assert found is not None
    assert (found.per_second, found.left) == (3.0, None)
    running.progress_done = 0
    found = pace(running, at(10))
    assert found is not None
    assert (found.elapsed, found.per_second) == (timedelta(seconds=10), None)
    assert pace(job(State.QUEUED), at(10)) is None
