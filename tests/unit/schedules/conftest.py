"""The fixtures of tests/sql/schedules that need no database."""

from __future__ import annotations

from tests.sql.schedules.conftest import _actors, make, published, time

__all__ = ["_actors", "make", "published", "time"]
