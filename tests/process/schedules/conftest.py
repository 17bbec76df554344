"""The fixtures of tests/sql/schedules, on a fresh database."""

from __future__ import annotations

from tests.sql.schedules.conftest import _actors, make, published, time

__all__ = ["_actors", "make", "published", "time"]
