"""Errors shown to the operator."""

from __future__ import annotations


class UpError(Exception):
    """An operation failed; the text says what happened, why, and the command that fixes it."""

    exit_code = 1


class WrongCommandLine(UpError):
    """The command line is invalid."""

    exit_code = 2
