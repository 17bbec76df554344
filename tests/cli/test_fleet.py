"""What is wrong with the fleet, at a terminal."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from src.database import now
from src.jobs import workers
from src.jobs.alert_models import Alert, AlertKind
from src.jobs.models import Worker
from tests.cli.conftest import Terminal


def test_alerts_are_listed_and_the_exit_code_says_whether_there_are_any(terminal: Terminal) -> None:
    assert terminal.run("alerts") == ""
    at = now() - timedelta(minutes=5)
    with terminal.database.write() as session:
        over = Alert(kind=AlertKind.LATE, subject="n", text="The schedule n is late", seen_at=at, began_at=at, recovered_at=now())
        session.add_all([over, Alert(kind=AlertKind.BACKLOG, subject="orders", text="3 jobs are ready", seen_at=at, began_at=at)])

    assert terminal.run("alerts", code=3) == "No scheduler has looked yet: is one running?"
    said = terminal.prints("alerts", code=3).splitlines()
    assert [line.split("  ")[-1] for line in said] == ["3 jobs are ready", "The schedule n is late"]


def test_workers_are_listed_made_quiet_and_stopped(terminal: Terminal) -> None:
    assert terminal.run("workers") == ""
    with terminal.database.write() as session:
        workers.register(session, name="here:1", host="here", pid=1, version="0", threads=4, queues=["mail"], actors=[])
        session.execute(update(Worker).values(expires_at=now() + timedelta(hours=1)))
    assert terminal.run("workers") == "here:1  0/4 busy  -  mail"
    terminal.run("workers", "quiet", "here:1")
    assert terminal.run("workers") == "here:1  0/4 busy  -  mail  quiet"
    terminal.run("workers", "resume", "here:1")
    assert terminal.run("workers", "stop", "here:1") == "here:1 ends once it has finished what it runs"
    assert "it cannot be kept" in terminal.run("workers", "resume", "here:1", code=1)
    assert "There is no living worker named nobody:1" in terminal.run("workers", "quiet", "nobody:1", code=1)


def test_dead_letters_of_a_queue_that_nobody_serves_are_refused_with_those_there_are(terminal: Terminal) -> None:
    assert "There is no queue named 'defualt'. There is: " in terminal.run("requeue", "defualt", code=1)
