"""Log throttle: counts errors by cause and logs the first and each doubling, so that a persistent fault does not flood the log."""

from __future__ import annotations

from typing import Any

from ...sql.outages import is_outage, log_outage, outage_over


class LogThrottle:
    """Causes, and the occurrences of each since it was last over."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._outages: set[str] = set()  # events of outages of SQL that are not over

    def count(self, cause: str) -> int:
        """Count the cause once more; return its count if it is to be logged, else 0."""
        number = self._counts.get(cause, 0) + 1
        self._counts[cause] = number
        return number if number & (number - 1) == 0 else 0

    def over(self, cause: str) -> int:
        """Forget the cause; return how often it occurred."""
        return self._counts.pop(cause, 0)

    def failed(self, log: Any, error: Exception, *, waits: str, broke: str, about: str = "", **fields: Any) -> None:
        """Log an error of a loop that continues: a database outage as the event `waits`, any other as `broke` with its traceback."""
        if is_outage(error):
            self._outages.add(waits)
            log_outage(log, waits, error, **fields)
        elif times := self.count(f"{about}{broke} {type(error).__name__}"):
            log.error(broke, detail=type(error).__name__, times=times, exc_info=error, **fields)

    def passed(self, about: str = "") -> None:
        """Forget all causes, or those that begin with `about`: a failure after a success is logged again."""
        while self._outages:
            outage_over(self._outages.pop())
        if self._counts:
            self._counts = {cause: number for cause, number in self._counts.items() if about and not cause.startswith(about)}
