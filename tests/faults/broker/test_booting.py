"""A worker or a scheduler that cannot start exits with the cure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT

COMMANDS = {
    "worker": [str(Path(sys.executable).with_name("dramatiq")), "src.actors", "-p", "1", "--worker-fork-timeout", "1000"],
    "scheduler": [sys.executable, "-c", "from src.scheduling import clock; clock.main()"],
    "web": [sys.executable, "-m", "src", "web"],
}


@pytest.mark.parametrize("role", COMMANDS)
def test_before_the_first_migration_it_ends_with_the_command_that_cures_it(role: str, tmp_path: Path) -> None:
    environment = {**os.environ, "CALLBOARD_DATA_DIR": str(tmp_path), "CALLBOARD_BROKER_URL": "amqp://127.0.0.1:1/", "CALLBOARD_PORT": "0"}

    done = subprocess.run(COMMANDS[role], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)

    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "The database has no tables of Callboard yet." in said
    assert "./run migrate" in said
    assert "Traceback" not in said
    assert "worker_serves" not in said
