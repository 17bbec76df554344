"""Errors of composing and sending an email."""

from __future__ import annotations

from ..jobs.core.errors import JobsError


class LetterError(JobsError):
    """The email cannot be composed as asked; a retry would not help."""


class NoMailServer(Exception):
    """No mail server is configured."""


class NotSent(Exception):
    """The mail server did not accept the email for every recipient: retry later."""
