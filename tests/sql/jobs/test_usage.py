"""Usage of ended jobs: the sums equal the jobs and attempts that they sum, however often and late they are counted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from src.jobs.control import actions
from src.jobs.core.models import Attempt, Job
from src.jobs.core.states import State
from src.jobs.leases import workers
from src.jobs.read import usage
from src.jobs.read.usage import By, Line
from src.jobs.read.usage_models import Usage
from src.jobs.upkeep import usage_counts
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, claimed, ended, hired, settle, submitted

pytestmark = pytest.mark.both_stores


def count(database: Database, time: StillClock) -> None:
    time.forward(120)
    with database.write() as session:
        while usage_counts.count_new(session):
            pass


def bill(database: Database, by: By = By.ACTOR) -> dict[str, Line]:
    with database.read() as session:
        return {line.name: line for line in usage.bill(session, now() - timedelta(days=2), now() + timedelta(hours=1), by)}


def run_one(database: Database, time: StillClock, worker: int, state: State = State.SUCCEEDED, **how: str) -> str:
    with database.write() as session:
        workers.heartbeat(session, worker, busy=0, frontier={})
    id = submitted(database, **how).id
    time.forward(2)
    one = claim(database, worker, id)
    assert one is not None
    end = ended(one, state, cpu_us=500_000, memory_bytes=1_000_000 + one.seq)
    end.finished_us += 3_000_000
    time.forward(3)
    assert settle(database, worker, end)
    return id


def test_sums_equal_the_rows_and_counting_again_changes_nothing(database: Database, time: StillClock) -> None:
    worker = hired(database)
    for number in range(3):
        run_one(database, time, worker, submitted_by=f"user {number % 2}")
    run_one(database, time, worker, submitted_by="schedule nightly", source="schedule")
    run_one(database, time, worker, submitted_by="user 1", source="schedule")  # a tick that a user has started
    count(database, time)

    line = bill(database)["add"]

    with database.read() as session:
        cpu, memory = session.execute(select(func.sum(Attempt.cpu_us), func.max(Attempt.memory_bytes))).one()
        jobs = session.execute(select(func.count()).select_from(Job)).scalar_one()
    assert (line.jobs, line.attempts, line.measured, line.cpu_s, line.memory_bytes) == (jobs, 5, 5, int(cpu or 0) / 1e6, memory)
    assert (line.run_s, line.wait_s) == (15.0, 10.0)
    assert {name: each.jobs for name, each in bill(database, By.USER).items()} == {"user 0": 2, "user 1": 2}
    assert {name: each.jobs for name, each in bill(database, By.SCHEDULE).items()} == {"nightly": 1}
    with database.read() as session:
        runs = usage.by_schedule(session, now() - timedelta(hours=1), now() + timedelta(hours=1), timedelta(hours=1))
    assert {name: sum(step.jobs for step in steps) for name, steps in runs.items()} == {"nightly": 1}
    assert sum(each.jobs for each in bill(database, By.DAY).values()) == 5

    count(database, time)
    with database.write() as session:
        usage_counts.prune(session)
    assert bill(database)["add"] == line


def test_a_retry_of_an_ended_job_adds_its_new_attempts_only(database: Database, time: StillClock) -> None:
    worker = hired(database)
    id = run_one(database, time, worker, State.DEAD)
    count(database, time)
    assert bill(database)["add"].attempts == 1

    with database.write() as session:
        actions.retry(session, id)
        workers.heartbeat(session, worker, busy=0, frontier={}) or pytest.fail("the worker is gone")
    again = claim(database, worker, id, 2)
    assert again is not None
    settle(database, worker, ended(again, cpu_us=250_000))
    count(database, time)

    line = bill(database)["add"]
    assert (line.jobs, line.attempts, line.cpu_s) == (2, 2, 0.75)


def test_a_late_commit_is_found_and_old_minutes_are_deleted(database: Database, time: StillClock) -> None:
    worker = hired(database)
    run_one(database, time, worker)
    late = claimed(database, worker)
    end = ended(late, cpu_us=1)
    time.forward(1)
    count(database, time)
    assert bill(database)["add"].jobs == 1

    settle(database, worker, end)
    with database.write() as session:
        usage_counts.prune(session)
    assert bill(database)["add"].jobs == 2

    time.forward(timedelta(days=3).total_seconds())
    with database.write() as session:
        usage_counts.prune(session)
        spans = set(session.execute(select(Usage.span)).scalars())
    assert spans <= {usage.LONG, usage.SHORT}
    with database.read() as session:
        assert usage.total(usage.bill(session, now() - timedelta(days=30), now() + timedelta(hours=1), By.ACTOR)).jobs == 2


def test_a_notification_of_a_schedule_is_no_users(database: Database, time: StillClock) -> None:
    worker = hired(database)
    run_one(database, time, worker, submitted_by="ada")
    run_one(database, time, worker, submitted_by="schedule nightly", source="callback")
    count(database, time)
    assert {name: each.jobs for name, each in bill(database, By.USER).items()} == {"ada": 1, "unknown": 1}
    assert bill(database, By.SCHEDULE) == {}
