"""Fixtures of the chaos tests: an environment in which real commands run against a fresh database and virtual host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from src.database import Database
from src.jobs import envelopes
from src.settings import get_settings
from tests.faults.chaos import faults
from tests.harness.effects import create_effects

#: recovery in a second or two instead of six to ten, so that a kill at each step can be tested on both stores
IMPATIENT = {
    "CALLBOARD_LEASE_DURATION": "1.5",
    "CALLBOARD_HEARTBEAT_INTERVAL": "0.4",
    "CALLBOARD_PUBLISH_GRACE": "0.5",
    "CALLBOARD_RELAY_INTERVAL": "0.1",
    "CALLBOARD_RECONCILE_INTERVAL": "1",
    "CALLBOARD_RECONCILE_AFTER": "2",
    faults.CONFIRM_WITHIN: "1.5",
}


@pytest.fixture
def chaos(database: Database, vhost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What the commands of one test find in their environment; this process has the same settings."""
    create_effects(database)
    environment = {
        **IMPATIENT,
        "CALLBOARD_DATA_DIR": str(tmp_path / "data"),
        "CALLBOARD_DATABASE_URL": database.url.render_as_string(hide_password=False),
        "CALLBOARD_BROKER_URL": vhost,
        "CALLBOARD_ACTORS": "tests.actors.chaos",
        faults.STRUCK: str(tmp_path / "struck"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    # Other rooms' tests may have given this process a publisher: what is submitted here is for the commands to publish.
    monkeypatch.setattr(envelopes, "_listener", None)
    yield environment
    monkeypatch.undo()
    get_settings.cache_clear()
