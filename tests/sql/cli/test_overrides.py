"""Pauses and limits at a terminal."""

from __future__ import annotations

import pytest

from src.jobs.limits import breakers
from tests.sql.cli.conftest import Terminal


@pytest.mark.long
def test_pauses_and_limits_are_set_listed_and_lifted(terminal: Terminal) -> None:
    assert terminal.run("pause", "actor:add", "--for", "10m", "--reason", "deploy").startswith("actor:add paused until ")
    assert terminal.run("pauses").endswith("deploy")
    assert "There is no actor named 'ad'" in terminal.run("pause", "actor:ad", code=1)
    assert terminal.run("resume", "actor:add") == "actor:add resumed; 0 waiting"
    assert terminal.run("pauses") == ""

    told = terminal.run("limit", "actor:add", "--rate", "10/m", "--concurrency", "3").splitlines()
    assert told[0].startswith("actor:add  rate_limit  none (from code), overridden: 10/m (by ")
    assert "is not a rate limit" in terminal.run("limit", "actor:add", "--rate", "often", code=1)
    terminal.run("limit", "actor:add", "--rate", "none", "--concurrency", "code")
    [told_now] = [line for line in terminal.run("limits").splitlines() if line.startswith("actor:add ")]
    assert told_now.startswith("actor:add  rate_limit  none (from code), overridden: none")
    assert terminal.run("breakers") == ""
    assert terminal.run("reset-breaker", "add") == "add resumed; 0 waiting"


def test_a_breaker_is_listed_with_its_failures(terminal: Terminal) -> None:
    with terminal.database.write() as session:
        breakers.note_failure(session, "add", limit=5, probe_every_s=60)
    assert terminal.run("breakers") == "add  closed  1 failure in a row"


def test_a_reason_of_a_pause_sends_no_commands_to_the_terminal(terminal: Terminal) -> None:
    terminal.run("pause", "all", "--reason", "back\x1b[2J\nsoon")

    assert "back\\x1b[2J soon" in terminal.run("pauses")
