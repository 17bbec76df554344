"""The seed rows run in a callboard with the actors that come with Callboard."""

from __future__ import annotations

from tests.process.broker.conftest import _served, callboard, quiet, served, worker

__all__ = ["_served", "callboard", "quiet", "served", "worker"]
