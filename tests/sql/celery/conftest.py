"""Fixtures of Celery's interface without RabbitMQ.

inline  a worker in the thread of the test, whose lease outlives every hour that a test lets pass
time    the shared clock, moved by hand
"""

from __future__ import annotations

import pytest

from src.broker.recover import relay
from src.settings import get_settings
from src.sql.database import Database
from tests.harness.inline import Inline
from tests.sql.jobs.conftest import time
from tests.sql.mail.conftest import _nothing_published

__all__ = ["_nothing_published", "time"]


@pytest.fixture
def inline(database: Database, monkeypatch: pytest.MonkeyPatch) -> Inline:
    monkeypatch.setenv("CALLBOARD_LEASE_DURATION", "1000000")
    get_settings.cache_clear()
    monkeypatch.setattr(relay, "WATCH_S", 0.0)
    monkeypatch.setattr(relay, "hand_off", lambda envelopes: None)  # there is no RabbitMQ
    return Inline(database)
