"""Shared by tests: real services, stores, processes, and ways to wait. Contains no tests."""

from pathlib import Path

#: the checkout's root
ROOT = Path(__file__).resolve().parents[2]
