"""Run times of actors by week: equal to the sums of the days, whichever weeks are written."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from src.jobs.core.states import State
from src.jobs.read import ended
from src.jobs.read.ended import WEEK
from src.jobs.read.histograms import Histogram
from src.jobs.read.models import ActorRuns, JobStatistics
from src.jobs.read.spans import SPANS, minute_of
from src.jobs.upkeep import actor_weeks
from src.sql.clock import now
from src.sql.database import Database
from tests.harness import plans
from tests.harness.jobs import StillClock

pytestmark = pytest.mark.both_stores
DAY = timedelta(days=1)


def _count(database: Database, days: int, *, until: int = 0) -> None:
    """Write the statistics of so many days before today, and of the present minute."""
    present = minute_of(now())
    spans = [(SPANS[-1], present // 1_440 * 1_440 - 1_440 * back) for back in range(until, days)] + [(1, present - 1)]
    rows = [
        {
            "span": span, "minute": minute, "actor": actor, "queue": "default", "state": state, "jobs": 3, "attempts": 3, "wait_us": 0,
            "run_us": 0, "waits": "", "runs": f"{number % 7}:2 {7 + number % 3}:1",
        }
        for number, (span, minute) in enumerate(spans) for actor in ("add", "mul") for state in (State.SUCCEEDED, State.DEAD)
    ]  # fmt: skip
    with database.write() as session:
        session.execute(insert(JobStatistics), rows)


def _runs(database: Database, days: int) -> dict[str, Histogram]:
    until = now().replace(hour=0, minute=0, second=0, microsecond=0)
    with database.read() as session:
        series = ended.over_time(session, until - days * DAY, until, DAY, by="actor", durations=False)
        return ended.runs_by_actor(session, until - days * DAY, until, series)


def _fill(database: Database) -> int:
    with database.write() as session:
        return actor_weeks.fill(session)


def test_run_times_are_the_same_before_while_and_after_weeks_are_written(database: Database, time: StillClock) -> None:
    _count(database, 40)
    wanted = {days: _runs(database, days) for days in (1, 8, 20, 33, 40)}
    assert sum(wanted[33]["add"]) == 33 * 2 * 3

    turns = 0
    while _fill(database):
        turns += 1
        assert {days: _runs(database, days) for days in wanted} == wanted
    assert turns >= 5


def test_new_weeks_follow_without_a_gap_and_old_ones_are_deleted(database: Database, time: StillClock) -> None:
    _count(database, 20)
    while _fill(database):
        pass
    time.forward(20 * 86_400)
    _count(database, 20)
    while _fill(database):
        pass

    with database.read() as session:
        weeks = sorted(set(session.execute(select(ActorRuns.week)).scalars()))
    assert weeks == list(range(weeks[0], weeks[-1] + WEEK, WEEK))
    assert sum(_runs(database, 39)["mul"]) == 39 * 2 * 3

    with database.write() as session:
        actor_weeks.prune(session, timedelta(days=14))
        assert min(session.execute(select(ActorRuns.week)).scalars()) >= minute_of(now() - timedelta(days=21))


def test_lists_of_actors_read_numbers_of_jobs_from_an_index_alone(database: Database) -> None:
    _count(database, 3)
    with plans.recorded(database) as statements:
        _runs(database, 2)
    if database.is_sqlite:  # PostgreSQL's plans depend on the number of rows
        [statement] = [each for each in statements if "sum(jobs)" in each]
        with database.engine.connect() as connection:
            plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", statements[statement])]
        assert any("USING COVERING INDEX ix_job_statistics_actor" in each for each in plan)
