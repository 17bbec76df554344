"""The fixtures of tests/sql/workflows."""

from __future__ import annotations

from tests.sql.workflows.conftest import _unpublished, house, running

__all__ = ["_unpublished", "house", "running"]
