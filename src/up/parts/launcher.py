"""Launcher: the environment of all parts, and the preloaded parent from which they are forked."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from ..data.data_folder import Folder
from ..data.process_identity import MARK
from . import launch
from .part import Process
from .preloaded import MODULES, Preloaded, Run


class Launcher:
    """Starts parts: as forks of the preloaded parent, or cold, as new interpreters, where there is none.

    `run` calls a command line of ours in a fork; None: start all parts cold.
    """

    def __init__(self, folder: Folder, run: Run | None, *, reloads: bool) -> None:
        self._folder = folder
        self._run = run if sys.platform == "linux" else None
        self._cold: set[str] = {"web"} if reloads else set()  # gunicorn reloads the application by itself, from the files
        self._preloaded: Preloaded | None = None
        self._environment = {MARK: str(folder.path), "CALLBOARD_DATA_DIR": str(folder.path)}
        #: keeps other threads of the supervisor from holding a lock during a fork; yields False if one does
        self.alone: Callable[[], AbstractContextManager[bool]] = lambda: nullcontext(True)

    def configure(self, **variables: str) -> None:
        """Set environment variables for all parts to come, and for this process, which uses the same database."""
        self._environment.update(variables)
        os.environ.update(variables)

    def start(self, role: str, name: str, listeners: Mapping[str, int]) -> Process:
        """Start a part. Raises OSError if the system has no room."""
        if self._preloaded is not None and self._preloaded.is_dead:
            self.use(self.preload())  # parts that start before it has imported the application start cold
        is_warm = role not in self._cold and self._preloaded is not None and self._preloaded.can_fork
        return launch.process(
            self._folder, role, name, self._environment, listeners=listeners, preloaded=self._preloaded if is_warm else None
        )

    @property
    def pids(self) -> set[int]:
        """The process id of the preloaded parent."""
        return set() if self._preloaded is None else {self._preloaded.pid}

    def preload(self) -> Preloaded | None:
        """Start a preloaded parent, which imports the present code. Raises OSError."""
        if self._run is None:
            return None
        with self.alone() as is_alone:
            return Preloaded(self._run, MODULES.keys() - self._cold) if is_alone else None

    def use(self, preloaded: Preloaded | None) -> None:
        """Fork parts from this parent from now on."""
        if self._preloaded is not None:
            self._preloaded.close()
        if preloaded is not None and preloaded.outcome() == "" and not preloaded.can_fork:
            preloaded.close()  # the actors have opened files or started threads
            preloaded = None
        self._preloaded = preloaded

    def close(self) -> None:
        """End the preloaded parent."""
        self.use(None)
