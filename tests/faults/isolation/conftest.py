"""The fixtures of tests/process/isolation."""

from __future__ import annotations

from tests.process.isolation.conftest import callboard

__all__ = ["callboard"]
