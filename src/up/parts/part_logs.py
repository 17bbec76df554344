"""Logs of the parts: follow them for the terminal, and rotate them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ..data.data_folder import Folder
from ..data.log_files import LogFile, is_for_terminal, last_lines, readable
from .part import Part

#: seconds between checks of the log sizes
ROTATE_EVERY = 10.0


class PartLogs:
    """The log files of all parts but RabbitMQ, which rotates its own. `echo` prints the line of a part."""

    def __init__(self, folder: Folder, echo: Callable[[str, str], None]) -> None:
        self._folder, self._echo = folder, echo
        self._files: dict[str, LogFile] = {}
        self._rotate_at = 0.0

    def add(self, part: Part) -> None:
        """Follow the log of a part from its present end."""
        if part.role != "broker":
            self._files[part.name] = LogFile(self.path_of(part))

    def path_of(self, part: Part) -> Path:
        """Return the log with the problems of a part's start."""
        return self._folder.broker / "log" / "startup.log" if part.role == "broker" else self._folder.logs / f"{part.name}.log"

    def end_of(self, part: Part) -> str:
        """Return the last lines of a part's log, indented."""
        return "\n".join(f"    {line}" for line in last_lines(self.path_of(part), 15))

    def follow(self) -> None:
        """Print new lines."""
        for name, log in self._files.items():
            for line in filter(is_for_terminal, log.new_lines()):
                self._echo(name, readable(line))
        if time.monotonic() > self._rotate_at:
            self._rotate_at = time.monotonic() + ROTATE_EVERY
            for log in self._files.values():
                log.rotate()
