"""The fixtures of tests/process/isolation."""

from __future__ import annotations

from tests.process.isolation.conftest import house

__all__ = ["house"]
