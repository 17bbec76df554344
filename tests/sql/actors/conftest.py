"""Fixtures without RabbitMQ: submitted jobs stay rows; the clock is moved manually.

running    a job that runs in this process, as in a worker
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from src.jobs.attempts.current_job import RunningJob, current_job
from src.settings import get_settings
from src.sql.database import Database
from tests.harness.services import random_name
from tests.sql.jobs.conftest import time
from tests.sql.mail.conftest import _nothing_published

__all__ = ["_nothing_published", "time"]


@pytest.fixture
def running(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningJob]:
    """A job is running here, as in a worker; its session is committed at the end of each use."""
    monkeypatch.setenv("CALLBOARD_MAIL_ADMINS", "ops@example.com")
    get_settings.cache_clear()
    job = RunningJob(
        seq=1,
        id=random_name("job"),
        actor="report",
        queue="reports",
        attempt=1,
        worker="here:1",
        scheduled_for=None,
        open_session=database.session,
    )
    current_job.job = job
    yield job
    current_job.job = None
    if job.open_session is not None:
        job.open_session.close()
    monkeypatch.undo()
    get_settings.cache_clear()
