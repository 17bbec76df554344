"""The fixtures of tests/process/broker."""

from __future__ import annotations

from tests.process.broker.conftest import _served, callboard, queues, quiet, served, worker

__all__ = ["_served", "callboard", "queues", "quiet", "served", "worker"]
