"""Totals of statistics: equal to the rows that they sum, also where the release before has left none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import make_transient

from src.jobs.core.states import State
from src.jobs.read import ended
from src.jobs.read.models import JobTotals
from src.jobs.upkeep import job_totals
from src.sql.clock import now
from src.sql.database import Database
from tests.harness import plans
from tests.harness.job_statistics import sums, totals
from tests.harness.jobs import StillClock
from tests.sql.jobs.test_ended_counts import DAY, STEP, count_all, end, end_of, shown

pytestmark = pytest.mark.both_stores


def test_totals_of_older_statistics_are_written_in_bounded_steps_and_charts_are_the_same_meanwhile(
    database: Database, time: StillClock
) -> None:
    for number in range(40):
        at = now() - timedelta(minutes=100 * number)
        end(database, at, State.DEAD if number % 3 else State.SUCCEEDED, actor=("add", "slow")[number % 2], ran_s=number)
    count_all(database)
    with database.write() as session:
        session.execute(delete(JobTotals))  # as of the release before
    until = end_of(STEP)

    def charts() -> list[ended.Series]:
        with database.read() as session:
            series = [ended.over_time(session, until - 3 * DAY, until, STEP, queue=queue) for queue in (None, "default", "other")]
            counts = ended.over_time(session, until - 3 * DAY, until, STEP, durations=False)
        assert [each.jobs for each in counts[""]] == [each.jobs for each in series[0][""]]
        return series

    wanted, turns = charts(), 1
    assert sum(each.total for each in wanted[0][""]) == 40
    while _filled(database):
        assert charts() == wanted
        turns += 1
    assert turns > 4
    assert totals(database) == sums(database)


def _filled(database: Database) -> int:
    with database.write() as session:
        return job_totals.fill_older(session)


def test_totals_that_the_release_before_did_not_write_are_added(database: Database, time: StillClock) -> None:
    end(database, now())
    time.forward(120)
    count_all(database)
    with database.read() as session:
        kept = session.execute(select(JobTotals)).scalars().all()
    end(database, now())
    time.forward(2 * 3_600)
    count_all(database)
    with database.write() as session:  # a scheduler of the release before has counted the second job
        session.execute(delete(JobTotals))
        for each in kept:
            make_transient(each)
            session.add(each)
    assert shown(database) == {State.SUCCEEDED: 2}
    end(database, now())
    time.forward(120)
    count_all(database)

    assert shown(database) == {State.SUCCEEDED: 3}
    assert totals(database) == sums(database)


def test_a_chart_that_ends_now_reads_spans_of_its_columns_alone(database: Database, time: StillClock) -> None:
    """The row of a span that is not over sums what is counted of it."""
    for hours in (1, 5, 30):
        end(database, now() - timedelta(hours=hours))
    time.forward(120)
    count_all(database)
    until = end_of(DAY)
    with database.read() as session, plans.recorded(database) as statements:
        series = ended.over_time(session, until - 3 * DAY, until, DAY)
        by_actor = ended.over_time(session, until - 3 * DAY, until, DAY, by="actor")
    read = [str(values) for statement, values in statements.items() if "/" in statement and "FROM job_" in statement]
    assert sum(each.total for each in series[""]) == sum(each.total for each in by_actor["add"]) == 3
    assert len(read) == 2
