"""Background loops: threads that do something at each interval, are supervised, and log a failure by its cause."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .log_throttle import LogThrottle
from .supervision import Progress, Supervised


class Turns:
    """The turns of a thread: a failed one is logged as NAME_failed, or as NAME_waits_for_sql, and the next one tries again."""

    def __init__(self, name: str, do: Callable[[], object], log: Any) -> None:
        self.name, self.progress = name, Progress()
        self._do, self._log, self._causes = do, log, LogThrottle()

    def run(self) -> None:
        """Run one turn; raises nothing."""
        self.progress.step()
        try:
            self._do()
            self._causes.passed()
        except Exception as error:  # noqa: BLE001 - the next turn tries again
            self._causes.failed(self._log, error, waits=f"{self.name}_waits_for_sql", broke=f"{self.name}_failed")


class BackgroundLoop:
    """A thread that calls `do` after each interval; `interval` gives the seconds."""

    def __init__(self, name: str, do: Callable[[], object], log: Any, *, interval: Callable[[], float]) -> None:
        self._turns, self._interval = Turns(name, do, log), interval
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def threads(self) -> list[Supervised]:
        """Return the thread that its process cannot do without."""
        return [Supervised(self._turns.name, self._thread, self._turns.progress)]

    def close(self) -> None:
        """Wait at most five seconds for the present turn, and end the thread."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._is_closed_after(self._interval()):
            self._turns.run()

    def _is_closed_after(self, seconds: float) -> bool:
        self._turns.progress.waits(seconds)
        return self._closing.wait(seconds)
