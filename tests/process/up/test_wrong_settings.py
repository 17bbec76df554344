"""Each way to start a process ends with one sentence that names the wrong setting."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import fork_server


@pytest.mark.parametrize(
    "command",
    [
        ["-c", "import src.actors"],
        ["-c", "from src.jobs import submit; from src.sql.database import get_database; get_database()"],
        ["dramatiq", "src.actors", "-p", "1", "-t", "1"],
        ["gunicorn", "-c", "python:src.up.gunicorn_conf", "src.web:create_app()"],
        ["-m", "src", "scheduler"],
        ["-m", "src", "submit", "add"],
        ["-m", "src", "web"],
    ],
    ids=["import", "library", "dramatiq", "gunicorn", "scheduler", "submit", "web"],
)
def test_every_way_in_ends_with_the_sentence(command: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "CALLBOARD_BROKER_URL": "redis://:s3cret@h:6379/0", "CALLBOARD_DATA_DIR": str(tmp_path)}

    done = fork_server.server().run(command, environment)

    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "CALLBOARD_BROKER_URL" in said
    assert "must be amqp://USER:PASSWORD@HOST:5672/VHOST" in said
    assert "Traceback" not in said
    assert "s3cret" not in said
