"""A living process without a heartbeat: container health, status and the doctor name it, and the supervisor replaces it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from src.broker.recover import management
from src.broker.recover.management import NodeState, Overview, QueueNumbers
from src.jobs import State
from src.jobs.core.models import Heartbeat
from src.jobs.leases import heartbeats, workers
from src.jobs.leases.heartbeats import Role
from src.settings import Settings, get_settings
from src.sql.clock import now
from src.sql.database import Database
from src.up import doctor, health
from src.up.checks import silent_schedulers, status
from src.up.data.data_folder import PartRecord
from src.up.data.data_folder import State as Parts
from src.up.data.process_identity import identify
from tests.harness.jobs import claimed, ended, settle

pytestmark = pytest.mark.both_stores


def beat(database: Database, role: Role, *, seconds: float = 60) -> int:
    """The heartbeat of this process, good for so many seconds from now."""
    with database.write() as session:
        return heartbeats.register(session, role, lease_s=seconds)


def parts(database: Database) -> Parts:
    """A `./run up` whose scheduler is this very process."""
    us = identify(os.getpid())
    assert us is not None
    url = database.url.render_as_string(hide_password=False)
    return Parts(
        phase="ready",
        url="http://127.0.0.1:1",
        database_url=url,
        parts=(PartRecord("scheduler", "scheduler", us.pid, us.started, "running", 0),),
    )


def test_the_health_of_a_container_needs_the_heartbeats_of_its_own_host(database: Database) -> None:
    assert health.missing("scheduler") == "no scheduler on this host has a heartbeat"
    frozen = beat(database, Role.SCHEDULER)
    assert health.missing("scheduler") == "no relay on this host has a heartbeat; every scheduler runs one"
    beat(database, Role.RELAY)
    assert health.missing("scheduler") is None
    assert health.missing("worker") == "no worker on this host has a heartbeat"
    with database.write() as session:
        workers.register(session, name="here:1", host=socket.gethostname(), pid=1, version="0", threads=4, queues=[], actors=[])
    assert health.missing("worker") is None
    with database.write() as session:
        session.execute(update(Heartbeat).where(Heartbeat.id == frozen).values(expires_at=now()))
    assert health.missing("scheduler") == "no scheduler on this host has a heartbeat"


def test_the_status_calls_a_scheduler_silent_that_lives_and_does_not_beat(database: Database) -> None:
    state = parts(database)
    assert [each["state"] for each in status.as_json(state)["processes"]] == ["running"]  # it has not begun yet
    id = beat(database, Role.SCHEDULER, seconds=-1)
    assert [each["state"] for each in status.as_json(state)["processes"]] == ["silent"]
    with database.write() as session:
        heartbeats.renew(session, id, Role.SCHEDULER, lease_s=60)
    assert [each["state"] for each in status.as_json(state)["processes"]] == ["running"]


def test_a_process_that_signed_off_is_not_silent_and_sql_that_is_away_says_nothing(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    id = beat(database, Role.SCHEDULER, seconds=-1)
    assert silent_schedulers.silent_pids(url) == {os.getpid()}
    assert silent_schedulers.silent_pids("postgresql://callboard@127.0.0.1:1/nothing") == set()
    with database.write() as session:
        heartbeats.sign_off(session, id)
    assert silent_schedulers.silent_pids(url) == set()


@pytest.fixture
def settings(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    monkeypatch.setenv("CALLBOARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CALLBOARD_BROKER_URL", "amqp://guest:guest@127.0.0.1:1/")
    get_settings.cache_clear()
    yield get_settings()
    monkeypatch.undo()
    get_settings.cache_clear()


def said(findings: Iterator[doctor.Finding]) -> list[str]:
    return [f"{'ok' if each.ok else 'NOT'}: {each.what}" for each in findings]


def test_the_doctor_names_who_is_silent_and_backups_that_fail(database: Database, settings: Settings) -> None:
    assert said(doctor._fleet(settings)) == []  # nothing was started
    assert said(doctor._backups(settings)) == []
    with database.write() as session:
        worker = workers.register(session, name="here:1", host="h", pid=1, version="0", threads=4, queues=[], actors=["back_up"])
    beat(database, Role.SCHEDULER, seconds=-1)
    beat(database, Role.RELAY)
    found = list(doctor._fleet(settings))
    assert said(iter(found))[:3] == ["ok: 1 worker with a heartbeat", "NOT: 0 schedulers with a heartbeat", "ok: 1 relay with a heartbeat"]
    assert found[3].what.startswith(f"the scheduler {socket.gethostname()}:{os.getpid()} has sent no heartbeat for ")
    assert all(each.cure for each in found if not each.ok)

    settle(database, worker, ended(claimed(database, worker, actor="back_up"), State.DEAD, actor="back_up", error="OSError: disk full"))
    assert said(doctor._backups(settings)) == ["NOT: The last backup failed: OSError: disk full"]


def test_the_doctor_names_dead_nodes_alarms_and_queues_without_a_policy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = (NodeState("rabbit@a", True, ("memory",)), NodeState("rabbit@b", False))
    queues = {name: QueueNumbers(0, 0, 1, policy=policy) for name, policy in (("default", "work"), ("mail", ""))}
    monkeypatch.setattr(management, "overview", lambda **_: Overview(True, "4.1.0", queues, is_counted=True, nodes=nodes))
    assert said(doctor._nodes(settings)) == [
        "NOT: RabbitMQ takes no messages: memory alarm on node rabbit@a",
        "NOT: RabbitMQ node rabbit@b does not run",
        "NOT: no policy limits the length of the queues mail",
    ]
    monkeypatch.setattr(management, "overview", lambda **_: Overview(True, "4.1.0", is_counted=True, nodes=(NodeState("rabbit@a", True),)))
    assert said(doctor._nodes(settings)) == ["ok: RabbitMQ 4.1.0: 1 node, no alarm"]


def test_the_doctor_looks_at_all_of_it(settings: Settings) -> None:
    findings = {each.what: each.ok for each in doctor.examine(None)}
    assert any(what.startswith("RabbitMQ at ") and not ok for what, ok in findings.items())
