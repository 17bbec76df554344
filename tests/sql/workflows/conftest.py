"""Fixtures of the workflow tests that need no worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from src.jobs.core import envelopes
from src.jobs.core.envelopes import on_commit


@pytest.fixture(autouse=True)
def _unpublished() -> Iterator[None]:
    """Nothing is published: these jobs stay rows."""
    earlier = envelopes._listener
    on_commit(None)
    yield
    on_commit(earlier)
