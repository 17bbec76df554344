"""The fixtures of tests/sql/workflows."""

from __future__ import annotations

from tests.sql.workflows.conftest import _unpublished, database, house, running, store

__all__ = ["_unpublished", "database", "house", "running", "store"]
