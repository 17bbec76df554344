"""Bulk actions at a terminal."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import update

from src.jobs import State
from src.jobs.core.models import Job
from src.sql.clock import now
from tests.sql.cli.conftest import Terminal


@pytest.mark.long
def test_the_number_is_said_before_anything_is_done(terminal: Terminal) -> None:
    ids = [terminal.run("submit", "add", "--x", "1", "--y", str(number)) for number in range(2)]
    with terminal.database.write() as session:
        session.execute(update(Job).values(state=State.DEAD, finished_at=now(), publish_at=None))

    assert terminal.run("bulk", "retry", "state:dead", "--dry-run") == ""
    assert "--count 2 or --yes" in terminal.run("bulk", "retry", "state:dead", code=1)
    assert "2 jobs match now, not 3" in terminal.run("bulk", "retry", "state:dead", "--count", "3", code=1)
    assert "^" in terminal.run("bulk", "retry", "state:nonsense", "--yes", code=1)
    assert "Invalid value for '{retry|" in terminal.run("bulk", "delete", "", code=2)
    assert terminal.run("bulk", "discard", "state:dead", "--yes") == ""  # none of them is held: no job is needed

    id = terminal.run("bulk", "retry", "state:dead", "--count", "2")

    order = json.loads(terminal.run("job", id))
    assert (order["actor"], order["source"]) == ("act_on_jobs", "command")
    assert (order["kwargs"]["query"], order["kwargs"]["via"]) == ("state:dead", "command")
    assert terminal.run("cancel", id) == f"{id}  cancelled"  # and so it is stopped
    assert json.loads(terminal.run("job", ids[0]))["state"] == "dead"
