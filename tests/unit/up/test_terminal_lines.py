"""Log lines of the parts that belong on the terminal of `./run up`."""

from __future__ import annotations

import pytest

from src.up.data.log_files import is_for_terminal


@pytest.mark.parametrize(
    ("line", "is_shown"),
    [
        ("hello from an actor", True),
        ("Traceback (most recent call last):", True),
        ('{"event": "attempt_succeeded", "level": "info", "job_id": "1"}', True),
        ('{"event": "attempt_failed", "level": "warning", "job_id": "1"}', True),
        ('{"event": "broker_away", "level": "warning"}', True),
        ('{"event": "worker_serves", "level": "info", "actors": ["add"]}', False),
        ('{"event": "consumer_connected", "level": "info"}', False),
        ("[2026-11-28 14:44:12 +0000] [15523] [INFO] Starting gunicorn 27.0.1", False),
        ("[2026-11-28 14:44:12 +0000] [15523] [ERROR] Worker (pid:1) was sent SIGKILL!", True),
        ("{not json", True),
        ("[1, 2]", True),
    ],
)
def test_what_jobs_do_and_what_is_wrong_is_shown(line: str, is_shown: bool) -> None:
    assert is_for_terminal(line) is is_shown
