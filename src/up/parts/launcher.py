"""Launcher: the environment of all parts, and the preloaded parent from which they are forked."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..data.data_folder import Folder
from ..data.process_identity import MARK
from . import apart, launch
from .apart import Apart
from .part import Process
from .preloaded import MODULES, Preloaded, Run

#: seconds without a fork after which the preloaded parent ends
REST_S = 20.0
#: seconds in which it must have imported the application when a part waits for it
LOAD_WITHIN_S = 20.0


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
        self._must_be_cold = False
        self._rest_at = 0.0

    def configure(self, **variables: str) -> None:
        """Set environment variables for all parts to come, and for this process, which uses the same database."""
        self._environment.update(variables)
        os.environ.update(variables)

    def start(self, role: str, name: str, listeners: Mapping[str, int]) -> Process:
        """Start a part. Raises OSError if the system has no room."""
        preloaded = None if role in self._cold else self._loaded()
        return launch.process(self._folder, role, name, self._environment, listeners=listeners, preloaded=preloaded)

    def call(self, function: str, *arguments: Any) -> Apart:
        """Call a function by its name, `MODULE:FUNCTION`, apart: in a process that has imported the application, if there is one. Raises OSError."""
        preloaded = self._loaded()
        if preloaded is None:
            return Apart(partial(apart.named, function, arguments))
        return preloaded.call(function, arguments, self._environment)

    def _loaded(self) -> Preloaded | None:
        """Return a preloaded parent that can fork, made again if it has ended; None if there can be none."""
        if self._run is None or self._must_be_cold:
            return None
        if self._preloaded is None or self._preloaded.is_dead:
            again = self.preload()
            if again is not None and not again.wait(LOAD_WITHIN_S):
                again.close()
                again = None
            self.use(again)
        self._rest_at = time.monotonic() + REST_S
        return self._preloaded

    def rest(self) -> None:
        """End the preloaded parent some time after its last fork: it would keep a copy of all that the parts have changed."""
        if self._preloaded is not None and time.monotonic() > self._rest_at:
            self.use(None)

    @property
    def pids(self) -> set[int]:
        """The process id of the preloaded parent."""
        return set() if self._preloaded is None else {self._preloaded.pid}

    def preload(self) -> Preloaded | None:
        """Start a preloaded parent, which imports the present code. Raises OSError."""
        return None if self._run is None else Preloaded(self._run, MODULES.keys() - self._cold)

    def use(self, preloaded: Preloaded | None) -> None:
        """Fork parts from this parent from now on."""
        if self._preloaded is not None:
            self._preloaded.close()
        self._rest_at = time.monotonic() + REST_S
        # The actors may have opened files or started threads; with --watch, those of the next reload may not.
        self._must_be_cold = preloaded is not None and preloaded.outcome() == "" and not preloaded.can_fork
        if preloaded is not None and self._must_be_cold:
            preloaded.close()
            preloaded = None
        self._preloaded = preloaded

    def close(self) -> None:
        """End the preloaded parent."""
        self.use(None)
