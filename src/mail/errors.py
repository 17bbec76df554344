"""What can be wrong with a letter, or with the way to the mail server."""

from __future__ import annotations

from ..jobs.core.errors import JobsError


class LetterError(JobsError):
    """The letter cannot be composed as asked; trying again would not help."""


class NoMailServer(Exception):
    """Nobody has said where mail goes."""


class NotSent(Exception):
    """The mail server did not take the letter for everybody: worth another try later."""
