"""Counts of what goes wrong, by cause: one log line for the first time and one at each doubling, so that a lasting fault does not flood the log."""

from __future__ import annotations


class Causes:
    """Causes and how often each was seen since it was last over."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def count(self, cause: str) -> int:
        """Count the cause once more; returns its count when that is worth a line of the log, else 0."""
        number = self._counts.get(cause, 0) + 1
        self._counts[cause] = number
        return number if number & (number - 1) == 0 else 0

    def over(self, cause: str) -> int:
        """Forget the cause; returns how often it was seen."""
        return self._counts.pop(cause, 0)
