"""Fixtures of the isolation tests: real worker commands against a fresh database and virtual host.

house     .worker(threads=…, queues=…, **settings) starts one; .job(id), .send(actor message), .lines(name); everything ends with the test
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

import src.actors  # noqa: F401 - builds the broker that the actors of these tests are declared on
from src.database import Database
from src.jobs import envelopes
from src.jobs.envelopes import on_commit
from src.settings import get_settings
from tests.actors.isolation import FOLDER
from tests.harness.isolation_house import House


@pytest.fixture
def house(database: Database, vhost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    environment = {
        "CALLBOARD_DATA_DIR": str(tmp_path / "data"),
        "CALLBOARD_DATABASE_URL": database.url.render_as_string(hide_password=False),
        "CALLBOARD_BROKER_URL": vhost,
        "CALLBOARD_ACTORS": "tests.actors.isolation",
        "CALLBOARD_PUBLISH_GRACE": "0.1",  # these tests publish nothing themselves: the workers' relays do
        "CALLBOARD_LOG_FORMAT": "json",
        FOLDER: str(tmp_path),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    with database.write() as session:
        session.execute(text("CREATE TABLE effects (job_id VARCHAR(64))"))
    earlier = envelopes._listener
    on_commit(None)
    made = House(database, tmp_path, environment)
    yield made
    made.close()
    on_commit(earlier)
    monkeypatch.undo()
    get_settings.cache_clear()
