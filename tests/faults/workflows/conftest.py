"""The fixtures of tests/process/workflows."""

from __future__ import annotations

from tests.process.workflows.conftest import callboard, running

__all__ = ["callboard", "running"]
