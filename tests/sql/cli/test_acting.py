"""Job actions at a terminal."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.harness import fork_server
from tests.harness.waiting import eventually
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
    assert "would expire before it can start" in terminal.run("edit", id, "--expires", "1h", code=1)
    assert terminal.run("run-now", id) == f"{id}  queued"
    assert terminal.run("cancel", id) == f"{id}  cancelled"
    assert "only one that waits can be changed" in terminal.run("edit", id, "--priority", "1", code=1)
    assert terminal.run("retry", id) == f"{id}  queued"
    assert "only a held one can be discarded" in terminal.run("discard", id, code=1)
    assert "There is no job nobody-has-this" in terminal.run("release", "nobody-has-this", code=1)


def test_a_job_without_a_priority_has_its_actors_own(terminal: Terminal) -> None:
    assert json.loads(terminal.run("job", terminal.run("submit", "add", "--x", "1", "--y", "2")))["priority"] == 5


def test_a_job_for_which_one_of_its_unique_key_stands_is_told(terminal: Terminal) -> None:
    unique = ("submit", "--unique-key", "k", "--unique-for", "1d", "add")
    id = terminal.run(*unique, "--x", "1", "--y", "2")

    other = terminal.call(*unique, "--x", "3", "--y", "4")

    assert other.stdout.strip() == id
    assert f"No new job: a job of its unique key stands for it: {id}, queued, until 2" in other.stderr
    assert json.loads(terminal.run("job", id))["unique_period"]["key"] == "k"


def test_a_broker_that_is_away_is_told_in_one_sentence(terminal: Terminal) -> None:
    sentence = "⚠ RabbitMQ at 127.0.0.1:1 does not answer. Jobs are stored, and are sent once RabbitMQ accepts them.\n"

    submitted = terminal.call("submit", "add", "--x", "1", "--y", "2")
    assert submitted.stderr == sentence
    terminal.run("cancel", submitted.stdout.strip())
    assert terminal.call("retry", submitted.stdout.strip()).stderr == sentence


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("submit --wait add --x 1 --y 2", 130),
        ("bulk cancel state:queued --yes --wait", 130),
        ("events --since 60", 0),
        ("logs -f", 0),
    ],
)
def test_an_interrupt_ends_the_wait_and_not_the_job(terminal: Terminal, tmp_path: Path, line: str, code: int) -> None:
    terminal.run("submit", "add", "--x", "1", "--y", "2")
    out, err = tmp_path / "out", tmp_path / "err"
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "web.log").write_text("x\n")
    child = fork_server.server().start(["-m", "src", *line.split()], terminal.environment, out=out, err=err)

    eventually(lambda: "\nqueued" in f"\n{err.read_text()}" if code else out.read_text(), what="it waits")
    child.send_signal(signal.SIGINT)

    assert child.wait(10) == code, err.read_text()
    assert "Aborted" not in err.read_text()
    if code:
        waited_for = out.read_text().strip()
        assert err.read_text().endswith(f"No longer waiting; the job goes on: ./run job {waited_for}\n")
        assert json.loads(terminal.run("job", waited_for))["state"] == "queued"


def test_a_token_for_actors_that_do_not_exist_is_made_with_a_warning(terminal: Terminal) -> None:
    made = terminal.call("token", "create", "ci", "--role", "submitter", "--actors", "ad_,add,create_*")

    assert made.stdout.strip()
    assert made.stderr == "⚠ --actors: no actor matches ad_ yet. A prefix ends with a star: ad_*\n"
