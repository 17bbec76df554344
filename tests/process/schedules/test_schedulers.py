"""Scheduler processes as they run: killed, frozen, set back, asleep, beside periodiq's command."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

import src.sql.database
from src.schedules.rows.makers import Maker
from src.schedules.ticks import ticks
from src.scheduling.clock import Clock
from src.sql.clock import now
from src.sql.database import Database
from src.sql.outages import is_outage
from tests.faults.schedules import storm
from tests.harness.jobs import StillClock
from tests.harness.schedules import created, fire, history, jobs, look, said
from tests.harness.services import BrokerNode, random_name
from tests.harness.stores import only_on
from tests.harness.waiting import eventually


@contextmanager
def running(make: Maker) -> Iterator[Clock]:
    """The clock of a scheduler process, in a thread of this one."""
    clock = Clock(make)
    thread = threading.Thread(target=clock.start, daemon=True)
    thread.start()
    try:
        yield clock
    finally:
        clock.stop()
        thread.join(10)
        clock.shutdown(wait=False)


@pytest.fixture
def environment(broker_node: BrokerNode, database: Database, tmp_path: Path) -> Iterator[dict[str, str]]:
    vhost = random_name("schedules")
    yield {
        "CALLBOARD_DATA_DIR": str(tmp_path / "data"),
        "CALLBOARD_DATABASE_URL": database.url.render_as_string(hide_password=False),
        "CALLBOARD_BROKER_URL": broker_node.create_vhost(vhost),
        "CALLBOARD_ACTORS": "tests.actors.periodic",
    }
    broker_node.delete_vhost(vhost)


@only_on("postgresql")  # SQLite cannot take its one lock away from a process that stands still
def test_a_process_that_freezes_within_a_tick_delays_the_others_only_briefly(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database)
    time.forward(61)
    with database.session() as frozen:
        assert len(ticks.fire(frozen, id, make)) == 1  # and does not commit

        assert fire(database, id, make) == []
        [fired] = eventually(lambda: fire(database, id, make), deadline_s=10)

        with pytest.raises(DBAPIError) as lost:
            frozen.commit()
        assert is_outage(lost.value)
    assert [job.id for job in jobs(database)] == [fired.job_id]


def test_a_new_schedule_is_seen_within_seconds_and_ticks_on_time(database: Database, make: Maker) -> None:
    with running(make):
        id = created(database, every_s=1)
        eventually(lambda: len(history(database, id)) >= 3, deadline_s=20)

    late = [(tick.decided_at - tick.due_at).total_seconds() for tick in history(database, id)]
    assert all(0 <= each < 5 for each in late), late
    instants = [tick.scheduled_for for tick in history(database, id)]
    assert instants == [instants[0] + timedelta(seconds=number) for number in range(len(instants))]


def test_an_edit_takes_the_place_of_what_apscheduler_waits_for(database: Database, make: Maker) -> None:
    id = created(database, every_s=86_400)
    with running(make) as clock:
        eventually(lambda: clock.get_jobs("ticks") == [] and history(database, id) == [], deadline_s=10)
        from tests.sql.schedules.test_editing import changed

        changed(database, id, every_s=1)
        eventually(lambda: len(history(database, id)) >= 2, deadline_s=20)


def test_a_host_that_slept_makes_up_for_it_by_the_policy(database: Database, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock advances by an hour while APScheduler waits, without any notification."""
    monkeypatch.setattr(src.sql.database.Database, "check_clock", lambda self: None)
    id = created(database, cron="*/10 * * * *", missed="all")
    with running(make) as clock:
        eventually(lambda: clock.state == 1, deadline_s=10)
        monkeypatch.setattr(src.sql.clock.clock, "offset", timedelta(hours=1))
        eventually(lambda: len(history(database, id)) >= 5, deadline_s=10)

    assert {state for _, state in said(database, id)} == {"submitted"}
    assert len(jobs(database)) == len(history(database, id))
    assert (look(database, id).due_at or now()) > now()


def test_a_clock_that_is_set_back_doubles_nothing(database: Database, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(src.sql.database.Database, "check_clock", lambda self: None)
    id = created(database, every_s=1)
    with running(make):
        eventually(lambda: len(history(database, id)) >= 2, deadline_s=20)
        monkeypatch.setattr(src.sql.clock.clock, "offset", timedelta(seconds=-4))
        number = len(history(database, id))
        eventually(lambda: len(history(database, id)) >= number + 2, deadline_s=20)

    instants = [job.options["scheduled_for"] for job in jobs(database)]
    assert len(instants) == len(set(instants)) == len(history(database, id))


@only_on("postgresql")  # which one plays no part here
def test_periodiqs_command_beside_two_schedulers_fires_nothing_twice(
    database: Database, environment: dict[str, str], tmp_path: Path
) -> None:
    with storm.schedulers(environment, tmp_path / "log", 2) as fleet:
        fleet.add("periodiq", storm.PERIODIQ)
        count = storm.periodiq(database, actor="sched_often", seconds=6)

    assert (count.missed, count.doubled, count.strange) == (0, 0, 0), count.line()
    assert count.expected >= 2
    assert "Traceback" not in (tmp_path / "log").read_text()


@only_on("sqlite")  # which one plays no part here
def test_periodiqs_command_alone_fires_what_is_due(database: Database, environment: dict[str, str], tmp_path: Path) -> None:
    with storm.schedulers(environment, tmp_path / "log", 0) as fleet:
        fleet.add("periodiq", storm.PERIODIQ)
        count = storm.periodiq(database, actor="sched_often", seconds=6)

    assert (count.doubled, count.strange) == (0, 0)
    assert count.fired >= 2, count.line() + (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("database_url", "seconds"),
    [("postgresql", 9), pytest.param("sqlite", 120, marks=pytest.mark.slow), pytest.param("postgresql", 120, marks=pytest.mark.slow)],
    indirect=["database_url"],
)
def test_schedulers_that_are_killed_and_frozen_miss_nothing_and_double_nothing(
    database: Database, environment: dict[str, str], tmp_path: Path, seconds: int
) -> None:
    with storm.schedulers(environment, tmp_path / "log", 3) as fleet:
        count = storm.blows(database, fleet, seconds=seconds)

    print(count.line())
    assert (count.missed, count.doubled, count.strange) == (0, 0, 0), count.line()
    assert sum(count.blows.values()) >= seconds / 4
    assert count.late(0.99) < 5, count.line()


@pytest.mark.slow
def test_three_minutes_of_a_minutely_actor_with_periodiq_beside_two_schedulers_are_three_jobs(
    database: Database, environment: dict[str, str], tmp_path: Path
) -> None:
    with storm.schedulers(environment, tmp_path / "log", 2) as fleet:
        fleet.add("periodiq", storm.PERIODIQ)
        count = storm.periodiq(database, actor="sched_minutely", seconds=181)

    assert (count.expected, count.fired, count.doubled) == (3, 3, 0), count.line()
