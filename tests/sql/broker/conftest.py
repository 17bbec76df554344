"""Fixtures of the broker room without a broker.

attempts       runs attempts of actors in this process, on either store
"""

from __future__ import annotations

import pytest

from src.database import Database
from tests.harness.attempts import Attempts
from tests.sql.mail.conftest import _nothing_published

__all__ = ["_nothing_published"]


@pytest.fixture
def attempts(database: Database) -> Attempts:
    return Attempts(database)
