"""The seed rows run in a callboard with the actors that come with Callboard, and workers that serve all queues."""

from __future__ import annotations

import pytest

from tests.process.broker.conftest import _served, callboard, quiet, served, worker

__all__ = ["_served", "callboard", "quiet", "served", "worker"]


@pytest.fixture(scope="package")
def queues() -> list[str]:
    return []
