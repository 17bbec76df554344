"""The fixtures of tests/process/broker."""

from __future__ import annotations

from tests.process.broker.conftest import _actors, house, quiet, served, worker

__all__ = ["_actors", "house", "quiet", "served", "worker"]
