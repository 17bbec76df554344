"""Why a backup or a restore cannot be, with the cure."""

from __future__ import annotations


class BackupError(Exception):
    """Nothing was changed; the text says what to do."""
