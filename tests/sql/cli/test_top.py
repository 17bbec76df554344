"""One frame of the live view, and shell completion."""

from __future__ import annotations

import json
import subprocess

from tests.sql.cli.conftest import Terminal


def test_a_frame_shows_what_waits_and_that_no_worker_is_there(terminal: Terminal) -> None:
    terminal.run("submit", "add", "--x", "1", "--y", "2")
    frame = terminal.run("top", "--once")
    assert "1 queued   0 running   0.0 jobs/s finished   0 workers" in frame
    [row] = [line.split() for line in frame.splitlines() if line.strip().startswith("default ")]
    assert row[:3] == ["default", "1", "0"]


def test_every_shell_gets_its_script_and_bash_can_read_it(terminal: Terminal) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_CALLBOARD_COMPLETE" in terminal.run("completion", shell)
    script = terminal.run("completion", "bash")
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0


def test_verbs_actors_and_their_arguments_are_completed(terminal: Terminal) -> None:
    assert "run-now" in terminal.completed("./run run-")
    assert "create_random_user_accounts" in terminal.completed("./run submit create_r")
    assert "--total" in terminal.completed("./run submit create_random_user_accounts --to")


def test_events_up_to_now_are_printed_as_json_lines(terminal: Terminal) -> None:
    terminal.run("submit", "add", "--x", "1", "--y", "2")
    [line] = [line for line in terminal.run("events", "--json", "--since", "60", "--no-follow", "--actor", "add").splitlines() if line]
    event = json.loads(line)
    assert (event["type"], event["actor"], event["queue"]) == ("job.submitted", "add", "default")
    assert "job.submitted" in terminal.run("events", "--since", "60", "--no-follow", "--type", "job.*")
