"""Causes of errors, counted, so that a persistent fault does not flood a log or a terminal."""

from __future__ import annotations


class Causes:
    """Counts errors by cause: the first and each doubling are logged."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def count(self, cause: str) -> int:
        """Count the cause once more; return its count if it is to be logged, else 0."""
        number = self._counts.get(cause, 0) + 1
        self._counts[cause] = number
        return number if number & (number - 1) == 0 else 0

    def over(self, cause: str) -> int:
        """Forget the cause; return how often it occurred."""
        return self._counts.pop(cause, 0)

    def passed(self, about: str = "") -> None:
        """Forget all causes, or those that begin with `about`: a failure after a success is logged again."""
        if self._counts:
            self._counts = {cause: number for cause, number in self._counts.items() if about and not cause.startswith(about)}
