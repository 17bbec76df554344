"""Counts of ended jobs: equal to the jobs that ended, in whatever order they are counted, committed late, deleted or retried."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from src.jobs.control import actions
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.jobs.read import ended, histograms, spans
from src.jobs.read.ended import Ended
from src.jobs.read.models import JobStatistics, JobTotals, QueueDepth
from src.jobs.upkeep import ended_counts, queue_samples
from src.sql.clock import now
from src.sql.columns import to_microseconds
from src.sql.database import Database
from tests.harness.job_statistics import sums, totals
from tests.harness.jobs import StillClock, claimed, hired, settle, submitted
from tests.harness.jobs import ended as job_ended

pytestmark = pytest.mark.both_stores

DAY, STEP = timedelta(days=1), timedelta(minutes=30)


def count_all(database: Database, *, limit: int = ended_counts.AT_ONCE) -> int:
    """Count in as many transactions as needed; return their number."""
    turns = 1
    while _counted(database, limit):
        turns += 1
    return turns


def _counted(database: Database, limit: int) -> int:
    with database.write() as session:
        return ended_counts.count_new(session, limit=limit)


def shown(database: Database, step: timedelta = STEP, length: timedelta = DAY) -> Counter[State]:
    until = end_of(step)
    with database.read() as session:
        steps = ended.by_step(session, until - length, until, step)
    return sum((Counter(each) for each in steps), Counter())


def end_of(step: timedelta) -> datetime:
    """Return the end of the last step of a chart."""
    length = step // timedelta(minutes=1)
    return spans.instant_of((spans.minute_of(now()) // length + 1) * length)


def end(database: Database, at: datetime, state: State = State.SUCCEEDED, *, actor: str = "add", ran_s: int = 0) -> int:
    """Let a job end at this instant after running so long, by the public path; return its number."""
    worker = hired(database)
    job = claimed(database, worker, actor=actor)
    finished = job_ended(job, state)
    us = to_microseconds(at)
    settle(
        database, worker, type(finished)(finished.seq, finished.id, finished.attempt, state, finished.outcome, us - ran_s * 1_000_000, us)
    )
    return job.seq


def test_what_is_counted_and_what_is_not_yet_are_shown_together(database: Database, time: StillClock) -> None:
    end(database, time.forward(0))
    end(database, time.forward(1), State.DEAD)
    time.forward(120)
    count_all(database)
    end(database, time.forward(1))

    for step, length in ((timedelta(minutes=2), timedelta(hours=1)), (STEP, DAY), (timedelta(hours=4), timedelta(days=7))):
        assert shown(database, step, length) == {State.SUCCEEDED: 2, State.DEAD: 1}


def test_a_chart_shows_each_end_in_its_step(database: Database, time: StillClock) -> None:
    time.instant = time.instant.replace(minute=10, second=0, microsecond=0)
    end(database, now() - timedelta(minutes=40))
    end(database, now())
    count_all(database)

    until = end_of(STEP)
    with database.read() as session:
        steps = ended.by_step(session, until - 3 * STEP, until, STEP)
    assert until == now().replace(minute=30)
    assert steps == [{}, {State.SUCCEEDED: 1}, {State.SUCCEEDED: 1}]


def test_only_the_actors_that_the_caller_may_see_are_counted(database: Database, time: StillClock) -> None:
    for actor in ("add", "add", "secret"):
        end(database, now(), actor=actor)
    for counted in (False, True):
        if counted:
            time.forward(120)
            count_all(database)
        until = end_of(STEP)
        with database.read() as session:
            steps = ended.by_step(session, until - DAY, until, STEP, may_see=lambda actor: actor != "secret")
        assert sum(each.get(State.SUCCEEDED, 0) for each in steps) == 2


def test_a_job_that_ended_while_it_waited_ran_as_long_as_its_newest_attempt(database: Database, time: StillClock) -> None:
    worker = hired(database)
    job, us = claimed(database, worker, actor="add"), to_microseconds(now())
    settle(database, worker, replace(job_ended(job, State.RETRYING), started_us=us - 8_000_000, finished_us=us))
    time.forward(2_400)
    with database.write() as session:
        actions.cancel(session, job.id)
    until = end_of(STEP)
    with database.read() as session:
        [series] = ended.over_time(session, until - DAY, until, STEP).values()
    assert sum((Counter(each.jobs) for each in series), Counter()) == {State.CANCELLED: 1}
    assert sum(each.run_us for each in series) == 8_000_000


def test_counts_outlive_retention_and_a_retry(database: Database, time: StillClock) -> None:
    end(database, now())
    dead = end(database, now(), State.DEAD)
    time.forward(120)
    count_all(database)
    with database.write() as session:
        actions.retry(session, session.execute(select(Job.id).where(Job.seq == dead)).scalar_one())
        session.execute(delete(Job).where(Job.seq != dead))
    with database.write() as session:
        ended_counts.prune(session)

    assert shown(database) == {State.SUCCEEDED: 1, State.DEAD: 1}


def test_ends_that_were_committed_late_are_found(database: Database, time: StillClock) -> None:
    begun = now()
    end(database, begun)
    time.forward(120)
    count_all(database)
    end(database, begun)  # as of a worker that had to wait for the database

    assert shown(database)[State.SUCCEEDED] == 1
    with database.write() as session:
        assert ended_counts.check(session) == 1
    assert shown(database) == shown(database, timedelta(minutes=2), timedelta(hours=1)) == {State.SUCCEEDED: 2}
    with database.write() as session:
        assert ended_counts.check(session) == 0


def test_an_existing_database_is_counted_in_bounded_steps(database: Database, time: StillClock) -> None:
    for minute in range(20):
        end(database, now() - timedelta(days=5, minutes=minute))

    assert count_all(database, limit=3) >= 5
    with database.write() as session:
        ended_counts.prune(session)
    assert shown(database, timedelta(hours=4), timedelta(days=7)) == {State.SUCCEEDED: 20}


def test_minutes_are_deleted_and_longer_spans_are_kept(database: Database, time: StillClock) -> None:
    end(database, now())
    time.forward(3 * 86_400)
    count_all(database)
    end(database, now())
    time.forward(120)
    count_all(database)
    with database.write() as session:
        ended_counts.prune(session)
        spans = dict(session.execute(select(JobStatistics.span, func.sum(JobStatistics.jobs)).group_by(JobStatistics.span)).all())

    assert {span: int(jobs) for span, jobs in spans.items()} == {1: 1, 10: 2, 60: 2, 1_440: 2}


def _assert_equal_to_the_jobs(database: Database) -> None:
    """Compare each span's rows with the jobs themselves: counts, histograms and sums of durations."""
    with database.read() as session:
        jobs = session.execute(select(Job).where(Job.finished_at.is_not(None))).scalars().all()
        for span in spans.SPANS:
            rows = session.execute(select(JobStatistics).where(JobStatistics.span == span)).scalars().all()
            wanted = Counter(_key(job, span) for job in jobs)
            assert {(row.minute, row.actor, row.queue, row.state): row.jobs for row in rows} == wanted
            for row in rows:
                mine = [job for job in jobs if _key(job, span) == (row.minute, row.actor, row.queue, row.state)]
                for text, total, durations in (
                    (row.waits, row.wait_us, [_us(job.created_at, job.started_at) for job in mine]),
                    (row.runs, row.run_us, [_us(job.started_at, job.finished_at) for job in mine]),
                ):
                    histogram = histograms.empty()
                    histograms.add(text, histogram)
                    known = [us for us in durations if us is not None]
                    assert (sum(histogram), total) == (len(known), sum(known))
                    assert _bounds(histogram)[0] <= total <= _bounds(histogram)[1]
    assert totals(database) == sums(database)


def _crash(database: Database) -> None:
    """Count, and roll back."""
    with suppress(ZeroDivisionError), database.write() as session:
        ended_counts.count_new(session, limit=2)
        raise ZeroDivisionError


def _key(job: Job, span: int) -> tuple[int, str | None, str, State]:
    assert job.finished_at is not None
    return spans.minute_of(job.finished_at) // span * span, job.actor, job.queue, job.state


def _us(begin: datetime | None, end: datetime | None) -> int | None:
    return None if begin is None or end is None or end < begin else to_microseconds(end) - to_microseconds(begin)


def _bounds(histogram: histograms.Histogram) -> tuple[float, float]:
    """The least and the greatest sum of durations in these buckets."""
    ends = (0, *histograms.BOUNDS, float("inf"))
    return sum(ends[bucket] * count for bucket, count in enumerate(histogram) if count), sum(
        ends[bucket + 1] * count for bucket, count in enumerate(histogram) if count
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["succeed", "die", "late", "count", "crash", "check"]),
            st.integers(1, 4_000),
        ),
        max_size=25,
    )
)
def test_counts_equal_the_jobs_that_ended(database: Database, steps: list[str | int]) -> None:
    """In any order of ends, late commits, counting, rollbacks and time the statistics are those of the rows."""
    clock = StillClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("src.sql.clock.clock.now", clock.now)
        with database.write() as session:
            session.execute(delete(Job))
            session.execute(delete(JobStatistics))
            session.execute(delete(JobTotals))
        for step in steps:
            if isinstance(step, int):
                clock.forward(step)
            elif step == "count":
                _counted(database, 2)
            elif step == "crash":
                _crash(database)
            elif step == "check":
                with database.write() as session:
                    ended_counts.prune(session)
            else:
                end(database, now() - timedelta(seconds=90 * (step == "late")), State.DEAD if step == "die" else State.SUCCEEDED)
        ends = Counter("die" if step == "die" else "succeed" for step in steps if step in ("succeed", "die", "late"))
        wanted = Counter({State.DEAD: ends["die"], State.SUCCEEDED: ends["succeed"]})
        with database.write() as session:
            ended_counts.check(session)  # finds what was committed late
        assert shown(database) == wanted

        clock.forward(100)
        count_all(database)
        with database.write() as session:
            ended_counts.check(session)
        _assert_equal_to_the_jobs(database)


def test_a_check_of_several_minutes_locks_rows_in_the_order_of_every_scheduler(
    database: Database, time: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that lock them in different orders would wait for each other."""
    spans: list[int] = []
    write = ended_counts._write

    def note(session: Session, span: int, found: dict[Any, Ended]) -> None:
        spans.append(span)
        write(session, span, found)

    monkeypatch.setattr(ended_counts, "_write", note)
    newest = now()
    end(database, newest)
    time.forward(100)
    count_all(database)
    for minutes in (3, 4):
        end(database, newest - timedelta(minutes=minutes))
    spans.clear()
    with database.write() as session:
        assert ended_counts.check(session) == 2
    assert spans == sorted(spans)


def test_two_schedulers_count_at_once_what_ends_meanwhile(database: Database) -> None:
    """Counts, their sums by longer spans, and jobs that are committed late agree in the end."""
    late, over = now() - timedelta(minutes=3), threading.Event()

    def schedule() -> None:
        while not over.is_set():
            with database.write() as session:
                ended_counts.count_new(session, limit=3)
            with database.write() as session:
                ended_counts.check(session)

    with ThreadPoolExecutor(2) as pool:
        schedulers = [pool.submit(schedule) for _ in range(2)]
        for number in range(20):
            end(database, late + timedelta(seconds=7 * (number % 10)), State.DEAD if number % 3 else State.SUCCEEDED)
        over.set()
        for each in schedulers:
            each.result()
    with database.write() as session:
        ended_counts.check(session)
    _assert_equal_to_the_jobs(database)


def test_a_series_has_the_durations_of_one_actor_or_queue(database: Database, time: StillClock) -> None:
    for actor in ("add", "slow"):
        end(database, now(), actor=actor, ran_s=100 if actor == "slow" else 1)
    for counted in (False, True):
        if counted:
            time.forward(300)
            count_all(database)
        until = end_of(STEP) + STEP
        with database.read() as session:
            series = ended.over_time(session, until - DAY, until, STEP, by="actor")
            only = ended.over_time(session, until - DAY, until, STEP, actor="slow")
        assert series.keys() == {"add", "slow"}
        [slow] = [each for each in only[""] if each.total]
        assert [each.total for each in series["slow"]] == [each.total for each in only[""]]
        median = histograms.quantile(slow.runs, 0.5)
        assert median is not None
        assert 63 < median <= 100.1


def test_run_times_of_a_whole_range_are_those_of_its_steps(database: Database, time: StillClock) -> None:
    for number in range(30):
        end(database, now() - timedelta(minutes=97 * number), actor=("add", "slow")[number % 2], ran_s=number)
    for counted in (False, True):
        if counted:
            time.forward(300)
            count_all(database)
        until = end_of(STEP)
        with database.read() as session:
            steps = ended.over_time(session, until - DAY, until, STEP, by="actor")
            plain = ended.over_time(session, until - DAY, until, STEP, by="actor", durations=False)
            runs = ended.runs_by_actor(session, until - DAY, until, plain)
        assert {actor: [each.jobs for each in those] for actor, those in steps.items()} == {
            actor: [each.jobs for each in those] for actor, those in plain.items()
        }
        assert runs == {actor: histograms.summed(each.runs for each in those) for actor, those in steps.items()}


def test_an_empty_queue_has_no_sample_and_a_deep_one_keeps_its_greatest(database: Database, time: StillClock) -> None:
    time.instant = time.instant.replace(hour=1, minute=0, second=0, microsecond=0)
    for jobs in (3, 2):
        for _ in range(jobs):
            submitted(database, queue="deep")
        for _ in range(2):  # a second scheduler
            with database.write() as session:
                queue_samples.sample(session)
        time.forward(60)
    with database.read() as session:
        rows = session.execute(
            select(QueueDepth.span, QueueDepth.queue, QueueDepth.queued).order_by(QueueDepth.span, QueueDepth.minute)
        ).all()
    assert [tuple(row) for row in rows] == [(1, "deep", 3), (1, "deep", 5), (10, "deep", 5), (60, "deep", 5), (1_440, "deep", 5)]
