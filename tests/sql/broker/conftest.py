"""Fixtures of the broker room without a broker.

attempts  runs attempts of actors in this process, on either store
inline    a worker in the thread of the test
time      the shared clock, moved by hand
"""

from __future__ import annotations

import pytest

from src.broker.recover import relay
from src.sql.database import Database
from tests.harness.attempts import Attempts
from tests.harness.inline import Inline
from tests.sql.jobs.conftest import time
from tests.sql.mail.conftest import _nothing_published

__all__ = ["_nothing_published", "time"]


@pytest.fixture
def attempts(database: Database) -> Attempts:
    return Attempts(database)


@pytest.fixture
def inline(database: Database, monkeypatch: pytest.MonkeyPatch) -> Inline:
    monkeypatch.setattr(relay, "WATCH_S", 0.0)
    monkeypatch.setattr(relay, "hand_off", lambda envelopes: None)  # there is no RabbitMQ
    return Inline(database)
