"""The fixtures of tests/sql/schedules."""

from __future__ import annotations

from tests.sql.schedules.conftest import _actors, database, make, published, store, time

__all__ = ["_actors", "database", "make", "published", "store", "time"]
