"""Scheduling features of the introductions: each test bears the number of its row in the list of seeds."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dramatiq
import pytest

import src.actors
from src.broker.options import periodic
from src.broker.options.errors import InvalidOption
from src.schedules import cron
from src.schedules.edit import declared_schedules
from src.schedules.rows import queries
from src.schedules.rows.makers import Maker
from src.schedules.rows.models import Schedule
from src.sql.database import Database
from tests.harness.jobs import StillClock
from tests.harness.schedules import at, created, fire, jobs, look


def test_A2_once_a_day_at_a_time_of_day_in_a_time_zone_declared_in_code(database: Database, time: StillClock, make: Maker) -> None:
    """Every day at seven in the morning in Berlin, through the change of clocks, with nothing but an argument of the decorator."""
    berlin = ZoneInfo("Europe/Berlin")

    @dramatiq.actor(actor_name="sched_digest", periodic=cron("0 7 * * *", zone="Europe/Berlin"))
    def digest() -> None: ...

    try:
        time.instant = at(2026, 3, 27, 12)
        with database.write() as session:
            declared_schedules.synchronise(session, {"sched_digest": digest.options["periodic"]}, {"sched_digest"})
            [schedule] = queries.every(session)
        while time.now() < at(2026, 3, 31, 12):
            fire(database, schedule.id, make)
            time.forward(600)
    finally:
        src.actors.broker.actors.pop("sched_digest")

    instants = [datetime.fromisoformat(job.options["scheduled_for"]) for job in jobs(database)]
    assert [f"{instant.astimezone(berlin):%d %H:%M}" for instant in instants] == ["28 07:00", "29 07:00", "30 07:00", "31 07:00"]


def test_D6_every_thirty_seconds_with_arguments_and_mondays_at_half_past_seven(database: Database, time: StillClock, make: Maker) -> None:
    thirty = created(database, "add every 30 seconds", actor="add", args=[16, 16], every_s=30)
    monday = created(database, "add on Mondays", actor="add", args=[16, 16], cron="30 7 * * 1", zone="Europe/Berlin")

    for _ in range(4):
        time.forward(30)
        fire(database, thirty, make)

    assert [(job.actor, job.args, job.options["scheduled_for"][17:19]) for job in jobs(database)] == [
        ("add", [16, 16], second) for second in ("30", "00", "30", "00")
    ]
    assert look(database, monday).due_at == at(2026, 1, 12, 6, 30)


def test_periodiqs_cron_is_ours_and_a_retry_is_never_late(database: Database, time: StillClock, make: Maker) -> None:
    """Expressions that periodiq rejects or misreads work in its own spelling; its middleware, which drops late retries, is not used."""
    from periodiq import cron as theirs

    sunday = theirs("0 6 * * fri-sun")
    assert sunday.validate(datetime(2026, 1, 4, 6, 0, 40, tzinfo=ZoneInfo("UTC")))
    assert not sunday.validate(datetime(2026, 1, 5, 6, tzinfo=ZoneInfo("UTC")))
    assert sunday.next_valid_date(at(2026, 1, 4, 6)) == at(2026, 1, 9, 6)
    with pytest.raises(InvalidOption, match="periodic"):

        @dramatiq.actor(actor_name="sched_wrong", periodic="70 * * * *")
        def wrong() -> None: ...

    assert "sched_wrong" not in src.actors.broker.actors
    assert not any(type(each).__module__ == "periodiq" for each in src.actors.broker.middleware)


def test_ticks_of_periodiqs_command_count_as_another_clock(database: Database, time: StillClock, make: Maker) -> None:
    @dramatiq.actor(actor_name="sched_by_periodiq", periodic=timedelta(minutes=1))
    def by_periodiq() -> None: ...

    try:
        time.forward(60)
        for late_s in (0, 0, 20):  # twice at once, and again within the minute, after a restart
            by_periodiq.send_with_options(scheduled_at=str(time.forward(late_s)))
        [schedule] = _all(database)
        assert [job.options["scheduled_for"] for job in jobs(database)] == ["2026-01-05T12:01:00+00:00"]
        time.forward(40)
        fire(database, schedule.id, periodic.maker(src.actors.broker))
        by_periodiq.send_with_options(scheduled_at=str(time.now()))
        assert len(jobs(database)) == 2
        by_periodiq.send()
        assert len(jobs(database)) == 3
    finally:
        src.actors.broker.actors.pop("sched_by_periodiq")


def _all(database: Database) -> list[Schedule]:
    with database.read() as session:
        return queries.every(session)
