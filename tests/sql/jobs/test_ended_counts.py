"""Counts of ended jobs: equal to the jobs that ended, in whatever order they are counted, committed late, deleted or retried."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from src.jobs.control import actions
from src.jobs.core.models import EndedJobs, Job
from src.jobs.core.states import State
from src.jobs.read import ended
from src.jobs.upkeep import ended_counts
from src.sql.clock import now
from src.sql.columns import to_microseconds
from src.sql.database import Database
from tests.harness.jobs import StillClock, claimed, hired, settle
from tests.harness.jobs import ended as end_of

pytestmark = pytest.mark.both_stores

DAY, STEP = timedelta(days=1), timedelta(minutes=30)


def _count_all(database: Database, *, limit: int = ended_counts.AT_ONCE) -> int:
    """Count in as many transactions as needed; return their number."""
    turns = 1
    while _counted(database, limit):
        turns += 1
    return turns


def _counted(database: Database, limit: int) -> int:
    with database.write() as session:
        return ended_counts.count_new(session, limit=limit)


def _shown(database: Database, step: timedelta = STEP, length: timedelta = DAY) -> Counter[State]:
    until = ended.end_of(now(), step)
    with database.read() as session:
        steps = ended.by_step(session, until - length, until, step)
    return sum((Counter(each) for each in steps), Counter())


def _end(database: Database, at: datetime, state: State = State.SUCCEEDED, *, actor: str = "add") -> int:
    """Let a job end at this instant, by the public path; return its number."""
    worker = hired(database)
    job = claimed(database, worker, actor=actor)
    finished = end_of(job, state)
    us = to_microseconds(at)
    settle(database, worker, type(finished)(finished.seq, finished.id, finished.attempt, state, finished.outcome, us, us))
    return job.seq


def test_what_is_counted_and_what_is_not_yet_are_shown_together(database: Database, time: StillClock) -> None:
    _end(database, time.forward(0))
    _end(database, time.forward(1), State.DEAD)
    time.forward(120)
    _count_all(database)
    _end(database, time.forward(1))

    for step, length in ((timedelta(minutes=2), timedelta(hours=1)), (STEP, DAY), (timedelta(hours=4), timedelta(days=7))):
        assert _shown(database, step, length) == {State.SUCCEEDED: 2, State.DEAD: 1}


def test_a_chart_shows_each_end_in_its_step(database: Database, time: StillClock) -> None:
    time.instant = time.instant.replace(minute=10, second=0, microsecond=0)
    _end(database, now() - timedelta(minutes=40))
    _end(database, now())
    _count_all(database)

    until = ended.end_of(now(), STEP)
    with database.read() as session:
        steps = ended.by_step(session, until - 3 * STEP, until, STEP)
    assert until == now().replace(minute=30)
    assert steps == [{}, {State.SUCCEEDED: 1}, {State.SUCCEEDED: 1}]


def test_only_the_actors_that_the_caller_may_see_are_counted(database: Database, time: StillClock) -> None:
    for actor in ("add", "add", "secret"):
        _end(database, now(), actor=actor)
    for counted in (False, True):
        if counted:
            time.forward(120)
            _count_all(database)
        until = ended.end_of(now(), STEP)
        with database.read() as session:
            steps = ended.by_step(session, until - DAY, until, STEP, may_see=lambda actor: actor != "secret")
        assert sum(each.get(State.SUCCEEDED, 0) for each in steps) == 2


def test_counts_outlive_retention_and_a_retry(database: Database, time: StillClock) -> None:
    _end(database, now())
    dead = _end(database, now(), State.DEAD)
    time.forward(120)
    _count_all(database)
    with database.write() as session:
        actions.retry(session, session.execute(select(Job.id).where(Job.seq == dead)).scalar_one())
        session.execute(delete(Job).where(Job.seq != dead))
    with database.write() as session:
        ended_counts.prune(session)

    assert _shown(database) == {State.SUCCEEDED: 1, State.DEAD: 1}


def test_ends_that_were_committed_late_are_found(database: Database, time: StillClock) -> None:
    begun = now()
    _end(database, begun)
    time.forward(120)
    _count_all(database)
    _end(database, begun)  # as of a worker that had to wait for the database

    assert _shown(database)[State.SUCCEEDED] == 1
    with database.write() as session:
        assert ended_counts.check(session) == 1
    assert _shown(database) == _shown(database, timedelta(minutes=2), timedelta(hours=1)) == {State.SUCCEEDED: 2}
    with database.write() as session:
        assert ended_counts.check(session) == 0


def test_an_existing_database_is_counted_in_bounded_steps(database: Database, time: StillClock) -> None:
    for minute in range(20):
        _end(database, now() - timedelta(days=5, minutes=minute))

    assert _count_all(database, limit=3) >= 5
    with database.write() as session:
        ended_counts.prune(session)
    assert _shown(database, timedelta(hours=4), timedelta(days=7)) == {State.SUCCEEDED: 20}


def test_minutes_are_deleted_and_half_hours_are_kept(database: Database, time: StillClock) -> None:
    _end(database, now())
    time.forward(3 * 86_400)
    _count_all(database)
    _end(database, now())
    time.forward(120)
    _count_all(database)
    with database.write() as session:
        ended_counts.prune(session)
        spans = dict(session.execute(select(EndedJobs.span, func.sum(EndedJobs.jobs)).group_by(EndedJobs.span)).all())

    assert {span: int(jobs) for span, jobs in spans.items()} == {ended.SHORT: 1, ended.LONG: 2}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.just("succeed"), st.just("die"), st.just("count"), st.just("check"), st.integers(1, 4_000)), max_size=25))
def test_counts_equal_the_jobs_that_ended(database: Database, steps: list[str | int]) -> None:
    """In any order of ends, counting and time the counts are those of the rows."""
    clock = StillClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("src.sql.clock.clock.now", clock.now)
        with database.write() as session:
            session.execute(delete(Job))
            session.execute(delete(EndedJobs))
        for step in steps:
            if isinstance(step, int):
                clock.forward(step)
            elif step == "count":
                _counted(database, 2)
            elif step == "check":
                with database.write() as session:
                    ended_counts.prune(session)
            else:
                _end(database, now(), State.DEAD if step == "die" else State.SUCCEEDED)
        wanted = Counter("die" if step == "die" else "succeed" for step in steps if step in ("succeed", "die"))

        assert _shown(database) == Counter({State.DEAD: wanted["die"], State.SUCCEEDED: wanted["succeed"]})
