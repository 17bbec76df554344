"""A worker or a scheduler that cannot start exits with the cure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import fork_server
from tests.harness.commands import worker_command

COMMANDS = {
    "worker": worker_command("--worker-fork-timeout", "1000"),
    "scheduler": ["-c", "from src.scheduling import clock; clock.main()"],
    "web": ["-m", "src", "web"],
}


@pytest.mark.parametrize("role", COMMANDS)
def test_before_the_first_migration_it_ends_with_the_command_that_cures_it(role: str, tmp_path: Path) -> None:
    environment = {**os.environ, "CALLBOARD_DATA_DIR": str(tmp_path), "CALLBOARD_BROKER_URL": "amqp://127.0.0.1:1/", "CALLBOARD_PORT": "0"}

    done = fork_server.server().run(COMMANDS[role], environment)

    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "The database has no tables of Callboard yet." in said
    assert "./run migrate" in said
    assert "Traceback" not in said
    assert "worker_serves" not in said
