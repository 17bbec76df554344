"""Errors of backup and restore, with the cure."""

from __future__ import annotations


class BackupError(Exception):
    """Nothing was changed; the message says what to do."""
