"""A tick is one row and one job, whichever process fires it and however often; missed ticks follow the schedule's policy."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from src.jobs.core.states import State
from src.schedules.rows.makers import Maker
from src.schedules.ticks.misfires import MOST
from src.schedules.ticks.ticks import UNKNOWN_ACTOR_WAITS
from src.sql.database import Database
from tests.harness.jobs import StillClock
from tests.harness.schedules import at, created, fire, history, jobs, look, said
from tests.sql.schedules.conftest import MONDAY_NOON

pytestmark = pytest.mark.both_stores


def test_nothing_fires_before_its_time(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database)

    assert fire(database, id, make) == []
    assert look(database, id).due_at == MONDAY_NOON + timedelta(minutes=1)
    assert jobs(database) == []


def test_a_tick_becomes_a_row_and_a_job_that_knows_its_instant(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, kwargs={"number": 7})
    time.forward(60.3)

    [fired] = fire(database, id, make)

    [job] = jobs(database)
    assert (fired.job_id, job.actor, job.kwargs, job.source) == (job.id, "sched_work", {"number": 7}, "schedule")
    assert job.options == {"scheduled_for": "2026-01-05T12:01:00+00:00"}
    assert said(database, id) == [("12:01:00", "submitted")]
    assert look(database, id).due_at == at(2026, 1, 5, 12, 2)


def test_a_tick_that_was_fired_is_not_fired_again(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database)
    time.forward(61)
    fire(database, id, make)

    assert fire(database, id, make) == []
    assert len(jobs(database)) == 1


def test_a_clock_that_is_set_back_fires_nothing_twice(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database)
    time.forward(61)
    fire(database, id, make)
    time.forward(-3600)

    assert fire(database, id, make) == []
    time.forward(3600 + 60)
    assert len(fire(database, id, make)) == 1
    assert said(database, id) == [("12:01:00", "submitted"), ("12:02:00", "submitted")]


def test_many_who_fire_at_once_make_one_job(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database)
    time.forward(61)
    ready, fired = threading.Barrier(8), []

    def take_part() -> None:
        ready.wait()
        fired.extend(fire(database, id, make))

    threads = [threading.Thread(target=take_part) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(fired) == 1
    assert len(jobs(database)) == 1


def test_an_interval_ticks_where_all_processes_agree(database: Database, time: StillClock, make: Maker) -> None:
    time.forward(17)
    id = created(database, every_s=30)

    assert look(database, id).due_at == at(2026, 1, 5, 12, 0, 30)


def test_a_one_off_runs_once_and_has_ended(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, at=MONDAY_NOON + timedelta(hours=1))
    time.forward(3600)

    assert len(fire(database, id, make)) == 1
    assert look(database, id).due_at is None
    time.forward(86_400)
    assert fire(database, id, make) == []


def test_ticks_lie_between_start_and_end(database: Database, time: StillClock, make: Maker) -> None:
    start, end = MONDAY_NOON + timedelta(minutes=5), MONDAY_NOON + timedelta(minutes=6)
    id = created(database, starts_at=start, ends_at=end, missed="all")
    time.forward(600)

    fire(database, id, make)

    assert [tick.scheduled_for for tick in history(database, id)] == [start, end]
    assert look(database, id).due_at is None


def test_jitter_is_the_same_for_everybody_and_passes_no_other_tick(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, jitter_s=3600)
    rule = look(database, id).draft.rule
    ticks = [MONDAY_NOON + timedelta(minutes=minute) for minute in range(1, 60)]
    dues = [rule.due(tick) for tick in ticks]

    assert dues == [look(database, id).draft.rule.due(tick) for tick in ticks]
    assert all(tick <= due < tick + timedelta(minutes=1) for tick, due in zip(ticks, dues, strict=True))
    assert len({due - tick for tick, due in zip(ticks, dues, strict=True)}) > 50
    time.forward((dues[0] - MONDAY_NOON).total_seconds() - 0.001)
    assert fire(database, id, make) == []
    time.forward(0.001)
    assert [fired.tick for fired in fire(database, id, make)] == [ticks[0]]


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("skip", [("12:01:00", "missed"), ("12:02:00", "missed"), ("12:03:00", "missed"), ("12:04:00", "missed")]),
        ("once", [("12:01:00", "missed"), ("12:02:00", "missed"), ("12:03:00", "missed"), ("12:04:00", "submitted")]),
        ("all", [("12:01:00", "submitted"), ("12:02:00", "submitted"), ("12:03:00", "submitted"), ("12:04:00", "submitted")]),
    ],
)
def test_missed_ticks_follow_the_policy(
    database: Database, time: StillClock, make: Maker, missed: str, expected: list[tuple[str, str]]
) -> None:
    id = created(database, missed=missed)
    time.forward(4 * 60 + 30)

    fire(database, id, make)

    assert said(database, id) == expected
    assert look(database, id).due_at == at(2026, 1, 5, 12, 5)
    assert all(tick.reason for tick in history(database, id))


def test_a_tick_on_time_stands_for_those_missed_before_it(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, missed="once")
    time.forward(3 * 60 + 2)

    fire(database, id, make)

    assert [state for _, state in said(database, id)] == ["missed", "missed", "submitted"]


def test_a_tick_within_the_grace_is_on_time(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, every_s=1, missed="skip", grace_s=10)
    time.forward(9.5)

    fire(database, id, make)

    assert [state for _, state in said(database, id)] == ["submitted"] * 9


def test_a_long_outage_leaves_few_rows_and_says_how_many_they_stand_for(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, every_s=1, missed="all")
    time.forward(7200)

    fired = fire(database, id, make)

    ticks = history(database, id)
    assert len(ticks) == MOST + 1
    assert sum(tick.covers for tick in ticks) == 7200
    assert (ticks[0].state.value, ticks[0].covers) == ("missed", 7200 - MOST)
    assert len([one for one in fired if one.job_id]) == MOST == len(jobs(database))


def test_a_run_stands_for_months_of_missed_ticks(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, zone="Europe/Berlin", jitter_s=20)
    time.forward(100 * 86_400 + 30)  # past a change of clocks

    fire(database, id, make)

    ticks = history(database, id)
    assert [tick.state.value for tick in ticks] == [*["missed"] * MOST, "submitted"]
    assert sum(tick.covers for tick in ticks) == 100 * 1_440
    assert ticks[-1].reason == f"stands for {100 * 1_440} missed ticks: no scheduler ran"
    assert len(jobs(database)) == 1


def test_arguments_that_do_not_fit_any_more_are_shown_and_not_fired(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, kwargs={"number": 700})  # as if a deploy had narrowed what the actor takes
    time.forward(61)

    fire(database, id, make)

    assert jobs(database) == []
    assert said(database, id) == [("12:01:00", "broken")]
    assert "number" in (look(database, id).broken or "")


def test_a_process_that_does_not_know_the_actor_leaves_the_tick_to_others_for_a_while(
    database: Database, time: StillClock, make: Maker
) -> None:
    id = created(database, actor="sched_of_the_next_deploy")
    time.forward(61)

    assert fire(database, id, make) == []
    assert history(database, id) == []
    time.forward(UNKNOWN_ACTOR_WAITS.total_seconds())
    fire(database, id, make)
    assert said(database, id) == [("12:01:00", "broken")]
    assert "No actor named 'sched_of_the_next_deploy'" in (look(database, id).broken or "")


def test_a_tick_of_a_unique_actor_points_to_the_job_that_stands_for_it(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, actor="sched_alone")
    for _ in range(2):
        time.forward(60)
        fire(database, id, make)

    [job] = jobs(database)
    assert [tick.job_id for tick in history(database, id)] == [job.id, job.id]
    assert job.state is State.QUEUED
