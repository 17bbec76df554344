"""The seed rows run in a house with the actors that come with Callboard."""

from __future__ import annotations

from tests.process.broker.conftest import _actors, house, quiet, served, worker

__all__ = ["_actors", "house", "quiet", "served", "worker"]
