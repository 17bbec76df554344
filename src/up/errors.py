"""What a person reads when a part cannot start."""

from __future__ import annotations


class UpError(Exception):
    """Something cannot be done here; the text says what happened, why, and the command that mends it."""
