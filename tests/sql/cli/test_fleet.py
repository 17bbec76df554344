"""Alerts and problems of the fleet, at a terminal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from src.jobs.alerts.models import Alert, AlertKind
from src.jobs.core.models import Job, Worker
from src.jobs.leases import workers
from src.sql.clock import now
from tests.sql.cli.conftest import Terminal


@pytest.mark.long
def test_alerts_are_listed_and_the_exit_code_says_whether_there_are_any(terminal: Terminal) -> None:
    assert terminal.run("alerts") == ""
    at = now() - timedelta(minutes=5)
    with terminal.database.write() as session:
        over = Alert(kind=AlertKind.LATE, subject="n", text="The schedule n is late", seen_at=at, began_at=at, recovered_at=now())
        session.add_all([over, Alert(kind=AlertKind.BACKLOG, subject="orders", text="3 jobs are ready", seen_at=at, began_at=at)])

    assert terminal.run("alerts", code=3) == "Not checked yet: is a scheduler running?"
    said = terminal.prints("alerts", code=3).splitlines()
    assert [line.split("  ")[-1] for line in said] == ["3 jobs are ready", "The schedule n is late"]

    id = said[0].split("  ")[0]
    assert terminal.run("alerts", "mute", id, "2h").startswith(f"{id} muted until ")
    assert "3 jobs are ready  muted until " in terminal.prints("alerts")
    assert "A mute ends in the future" in terminal.run("alerts", "mute", id, "400d", code=1)
    assert "There is no alert 999" in terminal.run("alerts", "mute", "999", "2h", code=1)
    assert terminal.run("alerts", "unmute", id) == f"{id} unmuted"
    terminal.run("alerts", code=3)


@pytest.mark.long
def test_workers_are_listed_quieted_and_stopped(terminal: Terminal) -> None:
    assert terminal.run("workers") == ""
    with terminal.database.write() as session:
        workers.register(session, name="here:1", host="here", pid=1, version="0", threads=4, queues=["mail"], actors=[])
        session.execute(update(Worker).values(expires_at=now() + timedelta(hours=1)))
    assert terminal.run("workers") == "here:1  0/4 busy  -  mail"
    terminal.run("workers", "quiet", "here:1")
    assert terminal.run("workers") == "here:1  0/4 busy  -  mail  quiet"
    terminal.run("workers", "resume", "here:1")
    assert terminal.run("workers", "stop", "here:1") == "here:1 stops after its current jobs"
    assert "cannot be undone" in terminal.run("workers", "resume", "here:1", code=1)
    assert "There is no living worker named nobody:1" in terminal.run("workers", "quiet", "nobody:1", code=1)


def test_dead_letters_of_an_unknown_queue_are_refused_with_the_known_queues(terminal: Terminal) -> None:
    assert "There is no queue named 'defualt'. Choose one of: " in terminal.run("requeue", "defualt", code=1)


@pytest.mark.long
def test_waiting_jobs_of_a_queue_are_cancelled_by_a_job(terminal: Terminal) -> None:
    assert terminal.run("purge", "default") == "no waiting jobs in default"
    id = terminal.run("submit", "add", "--x", "1", "--y", "2", "--delay", "2h")
    looked = terminal.run("purge", "default", code=1)
    assert looked.endswith("1 waiting job in default. Nothing done. Cancel them:  ./run purge default --count 1")
    said = terminal.run("purge", "default", "--count", "1")
    assert said.endswith("cancels 1 waiting job in default")
    with terminal.database.read() as session:
        found = session.execute(select(Job).where(Job.actor == "act_on_jobs")).scalar_one()
    assert found.id == said.split()[0]
    assert found.kwargs["query"] == "queue:default state:scheduled,queued,retrying"
    assert id
    assert "There is no queue named 'defualt'" in terminal.run("purge", "defualt", code=1)
