"""The fixtures of tests/sql/jobs that need no database."""

from __future__ import annotations

from tests.sql.jobs.conftest import published, time

__all__ = ["published", "time"]
