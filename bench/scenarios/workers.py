"""The two worker commands of a side, supervised: one that ends is started again a second later."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from bench.processes import Group
from bench.scenarios.contenders import Contender
from bench.services import Place

COMMANDS = 2
#: seconds between two checks, and before a dead command is started again
LOOK_S, PAUSE_S = 0.1, 1.0


class Workers:
    """Use as a context."""

    def __init__(self, side: Contender, place: Place, environment: dict[str, str]) -> None:
        self._side, self._place, self._environment = side, place, environment
        self._groups: list[Group] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._supervise, daemon=True)

    def __enter__(self) -> Workers:
        self._groups = [self._start(number) for number in range(COMMANDS)]
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.stop()

    def kill_one(self) -> None:
        """kill -9 of everything that one command has started."""
        with self._lock:
            self._groups[0].kill()

    def stop(self) -> None:
        """End both gracefully, so that PostgreSQL counts what they did."""
        self._ending.set()
        self._thread.join()
        for group in self._groups:
            group.stop()

    def log(self) -> str:
        """The end of what they printed."""
        return (self._place.folder / "worker.log").read_text(errors="replace")[-3000:]

    def _start(self, number: int) -> Group:
        program, *rest = (word.format(number=f"{number}-{time.monotonic_ns()}") for word in self._side.worker)
        command = [str(self._side.programs / program), *rest]
        return Group(command, env=self._environment, cwd=self._place.folder, log=self._place.folder / "worker.log")

    def _supervise(self) -> None:
        dead_since: dict[int, float] = {}
        while not self._ending.wait(LOOK_S):
            with self._lock:
                for number, group in enumerate(self._groups):
                    if group.process.poll() is None:
                        continue
                    if time.monotonic() - dead_since.setdefault(number, time.monotonic()) > PAUSE_S:
                        del dead_since[number]
                        group.stop()  # kills the rest of the group
                        self._groups[number] = self._start(number)
