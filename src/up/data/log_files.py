"""Each part writes its own log file; the supervisor only reads along, so a killed supervisor breaks nobody's pipe."""

from __future__ import annotations

import json
import re
import shutil
from collections import deque
from pathlib import Path

#: gunicorn's own events that are no warnings
_GUNICORN = re.compile(r"\[[^]]+\] \[\d+\] \[(INFO|DEBUG)\]")
#: bytes at which a log file is moved to NAME.log.1, replacing the one before
LARGEST = 10_000_000
#: bytes read in one look, so that a flood in one log does not hold up the others
MOST_READ = 200_000


class LogFile:
    """One log file that grows at its end: reads what is new, keeps it below its largest size."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = path.stat().st_size if path.exists() else 0

    def new_lines(self) -> list[str]:
        """The whole lines written since the last look."""
        try:
            size = self.path.stat().st_size
            if size == self._seen:
                return []
            if size < self._seen:
                self._seen = 0
            with open(self.path, "rb") as file:
                file.seek(self._seen)
                chunk = file.read(MOST_READ)
        except FileNotFoundError:
            return []
        whole = chunk.rfind(b"\n") + 1 or (len(chunk) if len(chunk) == MOST_READ else 0)
        self._seen += whole
        return chunk[:whole].decode(errors="replace").splitlines()

    def rotate(self) -> None:
        """Copy a full log aside and empty it; its writer appends, so it goes on at the new end."""
        if not self.path.exists() or self.path.stat().st_size < LARGEST:
            return
        shutil.copyfile(self.path, self.path.with_name(self.path.name + ".1"))
        with open(self.path, "r+b") as file:
            file.truncate(0)
        self._seen = 0


def is_for_terminal(line: str) -> bool:
    """True if a line belongs on the terminal of `./run up`: what jobs say and do, warnings, and what is no event. The rest is in `./run logs`."""
    if _GUNICORN.match(line):
        return False
    try:
        event = json.loads(line) if line.startswith("{") else None
    except ValueError:
        event = None
    return not isinstance(event, dict) or event.get("level") not in ("debug", "info") or "job_id" in event


def last_lines(path: Path, count: int) -> list[str]:
    """The last non-empty lines of a log, made readable."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - MOST_READ))
            lines = deque((line for line in file.read().decode(errors="replace").splitlines() if line.strip()), maxlen=count)
    except OSError:
        return []
    return [readable(line) for line in lines]


def readable(line: str) -> str:
    """A JSON log event as one short line; any other line as it is."""
    if not line.startswith("{"):
        return line
    try:
        event = json.loads(line)
        time = str(event.pop("timestamp", ""))[11:19]
        level = str(event.pop("level", "info"))
        what = str(event.pop("event", ""))
    except (ValueError, AttributeError):
        return line
    event.pop("logger", None)
    trace = event.pop("exception", None)
    fields = " ".join(f"{name}={value}" for name, value in event.items())
    return " ".join(part for part in (time, "" if level == "info" else level.upper(), what, fields) if part) + (
        f"\n{trace}" if trace else ""
    )
