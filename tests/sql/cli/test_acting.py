"""Job actions at a terminal."""

from __future__ import annotations

import json

import pytest

from tests.sql.cli.conftest import Terminal


@pytest.mark.long
def test_a_job_is_submitted_with_every_option_then_changed_run_cancelled_and_retried(terminal: Terminal) -> None:
    id = terminal.run(
        "submit", "add", "--x", "1", "--y", "2", "--eta", "2090-01-01T00:00:00Z", "--expires", "2091-01-01T00:00:00Z",
        "--unique-key", "one", "--unique-until", "waiting", "--fair-key", "me", "--idempotency-key", "k",
    )  # fmt: skip
    assert terminal.run("submit", "add", "--x", "1", "--y", "2", "--idempotency-key", "k") == id

    assert terminal.run("edit", f"{id[:8]}…{id[-4:]}", "--y", "5", "--priority", "9") == f"{id}  scheduled"

    job = json.loads(terminal.run("job", id))
    assert (job["kwargs"], job["priority"], job["due_at"]) == ({"x": 1, "y": 5}, 9, "2090-01-01T00:00:00Z")
    assert (job["unique_key"], job["unique_until"], job["fair_key"]) == ("one", "waiting", "me")
    assert terminal.run("run-now", id) == f"{id}  queued"
    assert terminal.run("cancel", id) == f"{id}  cancelled"
    assert "only one that waits can be changed" in terminal.run("edit", id, "--priority", "1", code=1)
    assert terminal.run("retry", id) == f"{id}  queued"
    assert "only a held one can be discarded" in terminal.run("discard", id, code=1)
    assert "There is no job nobody-has-this" in terminal.run("release", "nobody-has-this", code=1)


def test_a_job_without_a_priority_has_its_actors_own(terminal: Terminal) -> None:
    assert json.loads(terminal.run("job", terminal.run("submit", "add", "--x", "1", "--y", "2")))["priority"] == 5


def test_a_broker_that_is_away_is_told_in_one_sentence(terminal: Terminal) -> None:
    sentence = "⚠ RabbitMQ at 127.0.0.1:1 does not answer. Jobs are stored, and are sent once RabbitMQ accepts them.\n"

    submitted = terminal.call("submit", "add", "--x", "1", "--y", "2")
    assert submitted.stderr == sentence
    terminal.run("cancel", submitted.stdout.strip())
    assert terminal.call("retry", submitted.stdout.strip()).stderr == sentence
