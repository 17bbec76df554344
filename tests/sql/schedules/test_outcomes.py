"""Effects of job outcomes on their schedule: consecutive failures, notifications, a pause, a deadline."""

from __future__ import annotations

from typing import Any

import pytest

from src.jobs.control import actions
from src.jobs.core.states import State
from src.schedules.edit import editing
from src.schedules.rows.makers import Maker
from src.scheduling import tick_follower
from src.sql.database import Database
from tests.harness.jobs import StillClock
from tests.harness.schedules import at, cancel, created, end, fire, follow, history, jobs, look, said

pytestmark = pytest.mark.both_stores

TOLD = {"on_failure": "sched_told", "on_recovery": "sched_told", "on_alert": "sched_told"}


def tick(database: Database, time: StillClock, id: int, make: Maker, state: State | None) -> None:
    """One more minute, and the end of its job."""
    time.forward(60)
    [fired] = fire(database, id, make)
    assert fired.job_id is not None
    if state is not None:
        end(database, fired.job_id, state, error="ValueError: no" if state is State.DEAD else None)
    follow(make)


def told(database: Database) -> list[dict[str, Any]]:
    return [job.args[0] for job in jobs(database, "sched_told")]


def test_a_tick_says_how_its_job_has_ended(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database)
    for state in (State.SUCCEEDED, State.DEAD, None):
        tick(database, time, id, make, state)

    assert [state for _, state in said(database, id)] == ["succeeded", "dead", "submitted"]
    cancel(database, history(database, id)[2].job_id or "")
    follow(make)
    assert said(database, id)[2][1] == "cancelled"
    assert look(database, id).failures == 1


def test_each_failure_and_the_recovery_notify_once(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, **TOLD)
    for state in (State.SUCCEEDED, State.DEAD, State.DEAD, State.SUCCEEDED, State.SUCCEEDED):
        tick(database, time, id, make, state)
        follow(make)

    assert [(each["event"], each["failures"]) for each in told(database)] == [("failed", 1), ("failed", 2), ("recovered", 0)]
    failed = told(database)[0]
    assert (failed["schedule"], failed["actor"], failed["state"]) == ("nightly", "sched_work", "dead")
    assert failed["scheduled_for"] == "2026-01-05T12:02:00+00:00"
    assert failed["job_id"] == history(database, id)[1].job_id
    assert "ValueError: no" in failed["text"]
    assert {job.submitted_by for job in jobs(database)} == {"schedule nightly"}
    assert {(job.actor, job.source) for job in jobs(database)} == {("sched_work", "schedule"), ("sched_told", "callback")}, (
        "it does not count as a run"
    )


def test_it_is_paused_by_itself_after_so_many_failures_and_says_so(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, pause_after=2, **TOLD)
    tick(database, time, id, make, State.DEAD)
    tick(database, time, id, make, State.DEAD)

    schedule = look(database, id)
    assert (schedule.due_at, schedule.paused_by) == (None, None)
    assert "after 2 failures" in (schedule.pause_reason or "")
    assert [each["event"] for each in told(database)] == ["failed", "failed", "paused"]
    with database.write() as session:
        editing.resume(session, id, by="tester")
    assert look(database, id).failures == 0
    tick(database, time, id, make, State.DEAD)
    assert look(database, id).paused_at is None


def test_a_schedule_that_the_first_failure_pauses_says_so(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, pause_after=1)
    tick(database, time, id, make, State.DEAD)
    assert look(database, id).pause_reason == "paused by itself after 1 failure in a row"


def test_a_notification_that_cannot_be_submitted_does_not_fail_the_caller(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, on_failure="sched_gone")

    tick(database, time, id, make, State.DEAD)

    assert look(database, id).failures == 1


def test_a_persons_retry_that_succeeds_is_a_recovery(
    database: Database, time: StillClock, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick_follower, "REOPEN_S", 0.0)
    id = created(database, **TOLD)
    tick(database, time, id, make, State.DEAD)
    [job] = jobs(database, "sched_work")
    with database.write() as session:
        actions.retry(session, job.id)

    follow(make)
    assert said(database, id) == [("12:01:00", "submitted")]
    from tests.harness.jobs import claim, ended, hired, settle

    worker = hired(database)
    claimed = claim(database, worker, job.id, attempt=2)
    assert claimed is not None
    settle(database, worker, ended(claimed))
    follow(make)

    assert said(database, id) == [("12:01:00", "succeeded")]
    assert [each["event"] for each in told(database)] == ["failed", "recovered"]


def test_a_missed_daily_deadline_notifies_once_until_the_next_success(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, cron="0 6 * * *", zone="Europe/Berlin", expect_by="06:30", **TOLD)
    for day in (6, 7, 8, 9):
        time.instant = at(2026, 1, day, 5, 0)
        [fired] = fire(database, id, make)
        if day in (6, 9):
            end(database, fired.job_id or "")
        follow(make)
        time.instant = at(2026, 1, day, 5, 29, 59)
        follow(make)
        before = len(told(database))
        time.instant = at(2026, 1, day, 5, 30, 1)
        follow(make)
        assert len(told(database)) - before == (1 if day == 7 else 0), day

    assert [each["event"] for each in told(database)] == ["no_success", "recovered"]
    assert "06:30 on 07 Jan 2026 (Europe/Berlin)" in told(database)[0]["text"]


def test_no_success_is_expected_on_a_day_without_a_tick(database: Database, time: StillClock, make: Maker) -> None:
    created(database, cron="0 6 * * mon", expect_by="06:30", **TOLD)
    for day in range(6, 12):
        time.instant = at(2026, 1, day, 7)
        follow(make)

    assert told(database) == []
    time.instant = at(2026, 1, 12, 7)
    follow(make)
    assert [each["event"] for each in told(database)] == ["no_success"]


@pytest.mark.parametrize("how", ["created", "resumed"])
def test_a_success_is_expected_from_the_next_tick_on(database: Database, time: StillClock, make: Maker, how: str) -> None:
    """Created between today's tick and today's deadline, it said at once that there was no success."""
    time.instant = at(2026, 1, 6, 6, 20) if how == "created" else at(2026, 1, 2)
    id = created(database, cron="0 6 * * *", expect_by="06:30", **TOLD)
    if how == "resumed":
        with database.write() as session:
            editing.pause(session, id, by="tester")
        time.instant = at(2026, 1, 6, 6, 20)
        with database.write() as session:
            editing.resume(session, id, by="tester")

    time.instant = at(2026, 1, 6, 6, 31)
    follow(make)
    assert told(database) == []

    time.instant = at(2026, 1, 7, 6, 31)
    follow(make)
    assert [each["event"] for each in told(database)] == ["no_success"]


def test_a_tick_at_the_deadlines_own_time_has_a_day_to_succeed(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, cron="30 6 * * *", expect_by="06:30", **TOLD)
    for day in (6, 7, 8):
        time.instant = at(2026, 1, day, 6, 30)
        [fired] = fire(database, id, make)
        follow(make)
        time.forward(60)
        if day == 6:
            end(database, fired.job_id or "")
        follow(make)
        assert len(told(database)) == (1 if day == 8 else 0), day


def test_a_success_within_so_long_of_each_tick(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, expect_within_s=150, **TOLD)
    tick(database, time, id, make, State.SUCCEEDED)  # 12:01
    tick(database, time, id, make, None)  # 12:02, has until 12:04:30
    time.instant = at(2026, 1, 5, 12, 4, 29)
    follow(make)
    assert told(database) == []

    time.instant = at(2026, 1, 5, 12, 4, 31)
    follow(make)
    follow(make)

    assert [each["event"] for each in told(database)] == ["no_success"]


def test_who_pauses_it_expects_no_success(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, cron="0 6 * * *", expect_by="06:30", **TOLD)
    with database.write() as session:
        editing.pause(session, id, by="tester", reason="holidays")
    time.forward(86_400)
    follow(make)

    assert told(database) == []
