"""Errors shown to the operator."""

from __future__ import annotations


class UpError(Exception):
    """An operation failed; the text says what happened, why, and the command that fixes it."""
