"""Log throttle: logs the first error of a cause and each doubling, and a database outage as one event."""

from __future__ import annotations

from typing import Any

from ...causes import Causes
from ...sql.outages import is_outage, log_outage, outage_over


class LogThrottle(Causes):
    """Causes, and the occurrences of each since it was last over."""

    def __init__(self) -> None:
        super().__init__()
        self._outages: set[str] = set()  # events of outages of SQL that are not over

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
        super().passed(about)
