"""A clock set back by more than hosts differ: logged once, and schedules follow the new time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete

from src.actors.notifications import fleet_watch
from src.jobs.alerts import alerts, rules
from src.jobs.alerts.models import Alert, AlertKind, AlertWatch
from src.schedules.rows.makers import Maker
from src.settings import get_settings
from src.sql.database import Database
from tests.harness.jobs import StillClock
from tests.harness.schedules import at, created, fire, jobs, look, said

pytestmark = pytest.mark.both_stores


@pytest.fixture(autouse=True)
def _watch(database: Database, time: StillClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for missing in ("NO_SCHEDULER", "BROKER"):  # there is none here
        monkeypatch.setenv(f"CALLBOARD_ALERT_{missing}", "0")
    get_settings.cache_clear()
    with database.write() as session:
        session.execute(delete(Alert))
        session.execute(delete(AlertWatch))
    fleet_watch.check()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


def on(database: Database) -> list[AlertKind]:
    with database.read() as session:
        return [each.kind for each in alerts.current(session)]


def test_schedules_go_on_at_once_and_it_is_said_once(
    database: Database, time: StillClock, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[tuple[str, object]] = []
    monkeypatch.setattr(fleet_watch.log, "warning", lambda event, **fields: warned.append((event, fields.get("schedules"))))
    minutely, hourly = created(database), created(database, "hourly", cron="0 * * * *")
    once = created(database, "once", at=at(2026, 1, 5, 12, 0, 30))
    time.forward(61)
    fleet_watch.check()
    assert [len(fire(database, id, make)) for id in (minutely, hourly, once)] == [1, 0, 1]
    time.forward(-2 * 3600)

    fleet_watch.check()
    time.forward(10)
    fleet_watch.check()
    time.forward(60)
    fleet_watch.check()

    assert look(database, minutely).due_at == at(2026, 1, 5, 10, 2)
    assert look(database, hourly).due_at == at(2026, 1, 5, 11)
    assert look(database, once).due_at is None
    assert [each.job_id is not None for each in fire(database, minutely, make)] == [True]
    assert on(database) == [AlertKind.CLOCK]
    assert [each for each in warned if each[0] == "clock_was_set_back"] == [("clock_was_set_back", 2)]


def test_a_tick_in_the_repeated_time_fires_again_once(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database)
    time.forward(61)
    fleet_watch.check()
    fire(database, id, make)
    time.forward(-60)
    fleet_watch.check()

    time.forward(60)
    [again] = fire(database, id, make)
    assert fire(database, id, make) == []

    assert again.job_id is not None
    assert said(database, id) == [("12:01:00", "submitted")]
    assert len(jobs(database)) == 2


def test_what_hosts_differ_by_is_no_news(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database)
    time.forward(61)
    fleet_watch.check()
    fire(database, id, make)
    time.forward(-4)
    fleet_watch.check()

    assert on(database) == []
    assert look(database, id).due_at == at(2026, 1, 5, 12, 2)
    assert fire(database, id, make) == []


def test_alerts_of_before_go_on(database: Database, time: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """No check runs, and nothing counts as lasting, if the last check lies ahead."""
    sign = alerts.Sign(AlertKind.FAILURES, "", "it fails", timedelta(seconds=30))
    monkeypatch.setattr(rules, "rules", lambda except_actors: [alerts.Rule(frozenset({sign.kind}), lambda _session: [sign])])
    time.forward(15)
    fleet_watch.check()
    time.forward(-3600)
    for _ in range(4):
        time.forward(11)
        fleet_watch.check()

    assert AlertKind.FAILURES in on(database)
