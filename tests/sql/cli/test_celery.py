"""Celery's commands at a terminal."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from src.audit import AuditEntry
from src.celery.app import inspections
from src.jobs.core.models import Job, Worker
from src.jobs.core.states import State
from src.jobs.leases import workers
from src.sql.clock import now
from tests.harness import beat_database
from tests.harness.jobs import look
from tests.sql.cli.conftest import Terminal

TASKS = "tests.actors.celery_tasks"


@pytest.fixture
def celery(terminal: Terminal) -> Terminal:
    terminal.environment["APP"] = TASKS  # as Celery reads -A
    return terminal


def hire(terminal: Terminal, name: str = "here:7") -> None:
    """Insert a living worker."""
    host, _, pid = name.partition(":")
    with terminal.database.write() as session:
        workers.register(session, name=name, host=host, pid=int(pid), version="0", threads=4, queues=["default"], actors=[f"{TASKS}.add"])
        session.execute(update(Worker).values(expires_at=now() + timedelta(hours=1)))


@pytest.mark.long
def test_a_task_is_called_and_purged_and_each_verb_is_reported(celery: Terminal) -> None:
    done = celery.call("celery", "call", f"{TASKS}.add", "--args", "[2, 3]", "--eta", "2090-01-01T00:00:00", "--queue", "urgent")
    id = done.stdout.strip()

    assert done.stderr == f"· ./run submit --args '[2, 3]' --eta 2090-01-01T00:00:00+00:00 --queue urgent {TASKS}.add\n"
    [waiting] = json.loads(celery.run("celery", "inspect", "scheduled", "--json"))["callboard"]
    assert (waiting["request"]["id"], waiting["request"]["args"]) == (id, [2, 3])

    celery.run("celery", "purge", "-f")
    with celery.database.read() as session:
        order = session.execute(select(Job).where(Job.actor == "act_on_jobs")).scalar_one()
    assert order.kwargs["query"] == "queue:default,hipri,urgent state:scheduled,queued,retrying"


@pytest.mark.long
def test_a_call_takes_any_number_of_seconds(celery: Terminal) -> None:
    done = celery.call("celery", "call", f"{TASKS}.add", "-a", "[2, 3]", "--countdown", "1234567.25", "--expires", "2592000")
    job = look(celery.database, done.stdout.strip())

    assert done.stderr == f"· ./run submit --args '[2, 3]' --delay 1234567.25 --expires 2592000 {TASKS}.add\n"
    assert job.due_at is not None
    assert job.expires_at is not None
    assert abs(job.expires_at - job.due_at - timedelta(seconds=2592000 - 1234567.25)) < timedelta(seconds=1)
    for number in ("nan", "inf"):
        assert "is not a number of seconds" in celery.run("celery", "call", f"{TASKS}.add", "--countdown", number, code=2)
        assert f"'{number}' is not an ISO time" in celery.run("celery", "call", f"{TASKS}.add", "--expires", number, code=1)


@pytest.mark.long
def test_workers_are_pinged_and_inspected_in_the_shape_of_celerys_replies(celery: Terminal) -> None:
    assert "No nodes replied" in celery.run("celery", "inspect", "ping", code=69)
    hire(celery)
    id = celery.run("celery", "call", f"{TASKS}.add", "-a", "[1, 2]")
    with celery.database.write() as session:
        worker = session.execute(select(Worker.id)).scalar_one()
        session.execute(update(Job).values(state=State.RUNNING, worker_id=worker, started_at=now(), attempt=1, publish_at=None))

    assert celery.run("celery", "inspect", "ping") == "->  here:7: OK\n        pong\n\n1 node online."
    status = celery.call("celery", "--result-backend", "redis://", "status", "-t", "5")
    assert status.stdout == "here:7: OK\n\n1 node online.\n"
    assert "· --result-backend has no effect: results are in the job's row" in status.stderr
    assert "· --timeout has no effect: " in status.stderr
    [active] = json.loads(celery.run("celery", "inspect", "active", "--json", "-d", "celery@here"))["here:7"]
    assert (active["id"], active["name"], active["args"], active["worker_pid"]) == (id, f"{TASKS}.add", [1, 2], 7)
    with celery.database.read() as session:
        [alive] = workers.alive(session)
        answers = {action: answer(session, alive) for action, answer in inspections.OF_WORKERS.items()}
    assert answers["registered"] == [f"{TASKS}.add"]
    assert (answers["stats"]["pool"]["max-concurrency"], answers["active_queues"][0]["name"]) == (4, "default")


@pytest.mark.long
def test_control_acts_through_the_verbs_and_their_audit_entries(celery: Terminal) -> None:
    for name in ("here:7", "here:8"):
        hire(celery, name)
    id = celery.run("celery", "call", f"{TASKS}.add", "-a", "[1, 2]")
    assert "overridden: 5/s" in celery.run("celery", "control", "rate_limit", f"{TASKS}.add", "5")
    assert celery.run("celery", "control", "revoke", id) == f"{id}  cancelled"
    assert celery.run("celery", "control", "cancel_consumer", "default").startswith("queue:default paused")
    assert celery.run("celery", "control", "add_consumer", "default") == "queue:default resumed; 0 waiting"
    assert "means 2 workers (here:7, here:8)" in celery.run("celery", "control", "shutdown", "-d", "celery@here", code=1)
    assert celery.run("celery", "control", "shutdown").count("stops after its current jobs") == 2

    with celery.database.read() as session:
        actions = session.execute(select(AuditEntry.action).order_by(AuditEntry.seq)).scalars().all()
    assert actions == ["job.submit", "target.limit", "job.cancel", "target.pause", "target.resume", "worker.stop", "worker.stop"]


@pytest.mark.long
def test_a_running_job_goes_on_unless_it_is_terminated(celery: Terminal) -> None:
    id = celery.run("submit", "add", "--args", "[1, 2]")
    with celery.database.write() as session:
        session.execute(update(Job).values(state=State.RUNNING, worker_id=1, started_at=now(), publish_at=None))

    assert celery.run("celery", "control", "revoke", id) == ""
    assert celery.run("celery", "control", "terminate", "SIGTERM", id) == f"{id}  cancelling"


@pytest.mark.long
@pytest.mark.parametrize("action", [("revoke",), ("terminate", "SIGTERM")], ids=lambda action: action[0])
def test_every_job_of_a_list_is_cancelled_also_behind_one_that_cannot_be(action: tuple[str, ...], celery: Terminal) -> None:
    ended, waiting = (celery.run("submit", "add", "--args", "[1, 2]") for _ in range(2))
    with celery.database.write() as session:
        session.execute(update(Job).where(Job.id == ended).values(state=State.SUCCEEDED, result=3, finished_at=now(), publish_at=None))
    complaints = celery.run("celery", "control", *action, ended, "unknown", waiting, code=1)

    assert look(celery.database, waiting).state is State.CANCELLED
    assert f"✘ {ended}: the job is succeeded: only one that waits or runs can be cancelled\nunknown: There is no job unknown." in complaints


def test_the_result_of_a_job_or_its_failure_is_printed(celery: Terminal) -> None:
    id = celery.run("submit", "add", "--args", "[1, 2]")
    with celery.database.write() as session:
        session.execute(update(Job).values(state=State.SUCCEEDED, result=[1, {"a": 2}], finished_at=now(), publish_at=None))
    assert celery.run("celery", "result", id) == "[1, {'a': 2}]"
    with celery.database.write() as session:
        session.execute(update(Job).values(state=State.DEAD, result=None, error="KeyError: 'gone'"))
    assert celery.run("celery", "result", id, code=1) == "· ./run job " + id + "\n✘ KeyError: 'gone'"
    for error in ("SystemExit: 0", "KeyboardInterrupt", "CancelledError"):
        with celery.database.write() as session:
            session.execute(update(Job).values(error=error))
        assert celery.run("celery", "result", id, code=1).endswith(f"\n✘ {error}")


SHOP = """\
from celery import Celery

app = Celery("shop", set_as_current=False)
app.conf.beat_schedule = {"every second": {"task": "shop.add", "schedule": 1, "args": ("a", "b")}}

@app.task
def add(x, y): ...

@app.task
def keep(x=None): ...
"""


@pytest.mark.long
def test_schedules_of_beat_are_imported_after_a_dry_run(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    terminal.environment["CALLBOARD_CALLED_FROM"] = str(tmp_path)
    url = f"sqlite:///{tmp_path / 'beat.db'}"
    beat_database.make(url, "shop")
    dry = terminal.prints("import-celery", "shop", "--beat-db", "sqlite:///beat.db", code=3)  # beside the caller
    assert "nothing is written without --apply" in dry
    assert "  create     disabled (paused): shop.keep, every 600 s" in dry
    assert "  create     every second: every 1 s, declared in code" in dry
    assert "      shop.py:1\n" in dry  # the import line
    assert terminal.run("schedules") == ""

    applied = terminal.prints("import-celery", "shop", "--beat-db", url, "--apply", code=3)
    assert "  created    report: shop.add, 0 6 * * mon-fri Europe/Berlin" in applied
    assert [line.split()[1:3] for line in terminal.run("schedules").splitlines()] == [
        ["paused", "disabled"], ["active", "every"], ["active", "once"], ["active", "report"],
    ]  # fmt: skip
    with terminal.database.read() as session:
        entry = session.execute(select(AuditEntry)).scalar_one()
    assert entry.action == "schedule.import"
