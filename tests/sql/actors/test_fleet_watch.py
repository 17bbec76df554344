"""Alerts beside queues and failures: missing schedulers, relays, workers and RabbitMQ, held jobs, backups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from src.actors.notifications import fleet_watch
from src.broker.recover import management
from src.broker.recover.management import NodeState, Overview
from src.jobs import State
from src.jobs.alerts import alerts, rules
from src.jobs.alerts.alerts import Sign
from src.jobs.control import actions
from src.jobs.core.models import Heartbeat, Job, Worker
from src.jobs.core.states import WorkerCommand
from src.jobs.leases import heartbeats, worker_commands
from src.jobs.leases.heartbeats import Role
from src.schedules.edit import editing
from src.schedules.rows.drafts import Draft
from src.schedules.rows.models import Schedule
from src.settings import get_settings
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import StillClock, claimed, ended, hired, in_state, settle

Set = Callable[..., None]


@pytest.fixture(autouse=True)
def setting(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Set]:
    """Change settings: setting(held=5). At first no alert can begin."""

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"CALLBOARD_ALERT_{name.upper()}", str(value))
        get_settings.cache_clear()

    change(backlog=0, oldest=0, no_worker=0, failures=0, late=0, no_scheduler=0, fewer=0, broker=0, held=0, backup=0)
    yield change
    monkeypatch.undo()
    get_settings.cache_clear()


def look(time: StillClock, *, seconds: float = 10, times: int = 1) -> None:
    for _ in range(times):
        time.forward(seconds)
        fleet_watch.check()


def current(database: Database) -> dict[str, str]:
    """Kind of each alert that is on -> its text."""
    with database.read() as session:
        return {alert.kind.value: alert.text for alert in alerts.current(session)}


def beat(database: Database, role: Role, *, name: str = "", id: int = 0, lease_s: float = 6) -> int:
    with database.write() as session:
        if not id or not heartbeats.renew(session, id, role, lease_s=lease_s):
            id = heartbeats.register(session, role, lease_s=lease_s)
        if name:
            session.execute(update(Heartbeat).where(Heartbeat.id == id).values(name=name, host=name.split(":")[0]))
        return id


def live(database: Database, name: str, *, for_s: float = 86_400) -> int:
    id = hired(database, name)
    with database.write() as session:
        session.execute(update(Worker).where(Worker.id == id).values(expires_at=now() + timedelta(seconds=for_s)))
    return id


@pytest.mark.both_stores
def test_a_scheduler_that_falls_silent_is_an_alert_within_its_minute(database: Database, time: StillClock, setting: Set) -> None:
    setting(no_scheduler=1)
    live(database, "here:1")
    frozen = beat(database, Role.SCHEDULER, name="web-1:7")
    beat(database, Role.RELAY, lease_s=86_400)
    look(time, seconds=5)
    with database.read() as session:
        assert [each.id for each in heartbeats.alive(session, Role.SCHEDULER)] == [frozen]
    look(time, times=2)
    with database.read() as session:
        assert [each.name for each in heartbeats.silent(session, Role.SCHEDULER)] == ["web-1:7"]
    assert current(database) == {}
    look(time, times=6)
    assert current(database) == {"no_scheduler": "No scheduler is alive (web-1:7 has been silent for 1 minute): schedules do not fire"}
    beat(database, Role.SCHEDULER, id=frozen, lease_s=86_400)  # it goes on
    look(time, times=14)
    assert current(database) == {}


@pytest.mark.both_stores
def test_a_rule_that_fails_is_an_alert_and_stops_no_other_rule(
    database: Database, time: StillClock, setting: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(held=5, no_scheduler=1)
    in_state(database, State.HELD)
    beat(database, Role.SCHEDULER, lease_s=86_400)
    beat(database, Role.RELAY, lease_s=86_400)
    look(time, times=32)
    held = {"held": "1 job is held: an operator or a deploy must resolve this"}
    assert current(database) == held

    def broken(session: Session) -> list[Sign]:
        session.execute(text("SELECT 1 FROM no_such_table"))
        return []

    with monkeypatch.context() as change:
        change.setattr(rules, "_held", broken)
        with database.write() as session:
            session.execute(update(Heartbeat).where(Heartbeat.role == Role.SCHEDULER).values(expires_at=now()))
        look(time, times=20)
        failing = current(database)
        assert failing.keys() == {"held", "watch", "no_scheduler"}  # one that began before does not count as recovered
        assert "held" in failing["watch"]
        assert "no_such_table" in failing["watch"]
    look(time, times=14)
    assert current(database).keys() == {"held", "no_scheduler"}


def test_no_relay_is_an_alert_where_a_process_lives_that_should_have_one(database: Database, time: StillClock, setting: Set) -> None:
    setting(no_scheduler=1)
    beat(database, Role.SCHEDULER, lease_s=86_400)
    relay = beat(database, Role.RELAY)
    look(time, times=8)
    assert current(database) == {"no_relay": "No relay is alive: what is delayed, retried or was not published waits"}
    beat(database, Role.RELAY, id=relay, lease_s=86_400)
    look(time, times=14)
    assert current(database) == {}


def test_one_of_two_schedulers_that_is_gone_is_an_alert_and_one_that_was_replaced_is_not_silent(
    database: Database, time: StillClock, setting: Set
) -> None:
    setting(fewer=2)
    gone = beat(database, Role.SCHEDULER, name="web-1:7", lease_s=200)
    beat(database, Role.SCHEDULER, name="web-2:7", lease_s=86_400)
    look(time, times=20)
    assert current(database) == {}
    look(time, times=14)
    assert current(database) == {"fewer_schedulers": "1 scheduler is alive, 2 were before"}
    beat(database, Role.SCHEDULER, name="web-1:8", lease_s=86_400)
    look(time, times=14)
    assert current(database) == {}
    with database.read() as session:
        assert gone not in [each.id for each in heartbeats.silent(session, Role.SCHEDULER)]


@pytest.mark.both_stores
def test_fewer_workers_than_before_are_an_alert_unless_an_operator_has_stopped_them(
    database: Database, time: StillClock, setting: Set
) -> None:
    setting(fewer=2)
    lost, stopped, _kept = (live(database, f"here:{number}") for number in range(3))
    look(time, times=13)
    live(database, "here:overlap", for_s=60)  # while a deploy rolls, there is one more for a moment
    with database.write() as session:
        worker_commands.ask(session, "here:1", WorkerCommand.STOP, by="ada")
        session.execute(update(Worker).where(Worker.id == stopped).values(stopped_at=now(), expires_at=now()))
    look(time, times=20)
    assert current(database) == {}
    with database.write() as session:
        session.execute(update(Worker).where(Worker.id == lost).values(lost_at=now(), expires_at=now()))
    look(time, times=6)
    live(database, "here:again")  # started again in time
    look(time, times=20)
    assert current(database) == {}
    with database.write() as session:
        session.execute(update(Worker).where(Worker.name == "here:again").values(lost_at=now(), expires_at=now()))
    look(time, times=14)
    assert current(database) == {"fewer_workers": "1 worker process is alive, 2 were before"}
    look(time, seconds=60, times=60)
    assert current(database) == {}  # an hour later that is how many there are


def test_rabbitmq_that_is_away_and_an_alarm_are_alerts_the_alarm_at_once(
    database: Database, time: StillClock, setting: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(broker=1)
    seen = [Overview(True, "4.1.0", nodes=(NodeState("rabbit@a", True, ("disk",)), NodeState("rabbit@b", False)))]
    monkeypatch.setattr(management, "overview", lambda **_: seen[0])
    look(time)
    assert current(database) == {"broker_alarm": "RabbitMQ takes no messages: disk alarm on node rabbit@a"}
    look(time, times=7)
    assert set(current(database)) == {"broker_alarm", "node_away"}
    seen[0] = Overview(False)
    look(time, times=21)
    assert current(database) == {"broker_away": "RabbitMQ cannot be reached"}
    seen[0] = Overview(True, "4.1.0")
    with database.write() as session:
        heartbeats.register(session, Role.RELAY, lease_s=86_400, broker="alarm: low on memory")
    look(time, times=14)
    assert current(database) == {"broker_alarm": "RabbitMQ takes no messages: alarm, low on memory"}


def test_held_jobs_are_an_alert_after_their_minutes(database: Database, time: StillClock, setting: Set) -> None:
    setting(held=5)
    ids = [in_state(database, State.HELD) for _ in range(2)]
    look(time, times=29)
    assert current(database) == {}
    look(time, times=3)
    assert current(database) == {"held": "2 jobs are held: an operator or a deploy must resolve this"}
    with database.write() as session:
        for id in ids:
            actions.discard(session, id)
    look(time, times=14)
    assert current(database) == {}


def test_a_backup_that_failed_and_one_that_does_not_come_are_alerts(database: Database, time: StillClock, setting: Set) -> None:
    setting(backup=3)
    worker = live(database, "here:1")

    def back_up(state: State, **values: str) -> None:
        one = claimed(database, worker, actor="back_up")
        settle(database, worker, ended(one, state, actor="back_up", **values))
        with database.write() as session:
            session.execute(update(Job).where(Job.seq == one.seq, Job.finished_at.is_not(None)).values(finished_at=now()))

    back_up(State.SUCCEEDED)
    back_up(State.DEAD, error="OSError: no space left")
    look(time, times=3)
    assert current(database) == {"backup": "The last backup failed: OSError: no space left"}
    back_up(State.SUCCEEDED)
    look(time, times=14)
    assert current(database) == {}

    look(time, seconds=3 * 3600, times=1)
    look(time, times=3)
    assert current(database) == {}  # no schedule asks for one
    with database.write() as session:
        editing.create(session, Draft("backups", "back_up", cron="0 * * * *"), by="tester")
    look(time, times=3)
    [text] = current(database).values()
    assert text.startswith("No backup has succeeded since ")
    with database.write() as session:
        session.execute(update(Schedule).values(paused_at=now()))
    look(time, times=14)
    assert current(database) == {}


def test_a_worker_looks_where_no_scheduler_does(database: Database, time: StillClock, setting: Set) -> None:
    setting(held=5)
    look(time)
    with database.read() as session:
        looked_at = alerts.looked_at(session)
    for seconds, looks in ((20, False), (20, True)):
        time.forward(seconds)
        fleet_watch.stand_in()
        with database.read() as session:
            assert (alerts.looked_at(session) != looked_at) is looks
