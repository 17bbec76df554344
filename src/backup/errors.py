"""Errors of backup and restore, with the cure."""

from __future__ import annotations


class BackupError(Exception):
    """Nothing was changed; the message says what to do."""


class Damaged(BackupError):
    """The file is not a whole SQLite database."""
