"""What is wrong with the fleet, at a terminal."""

from __future__ import annotations

from datetime import timedelta

from src.database import now
from src.jobs.alert_models import Alert, AlertKind
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
