"""Log files: each process writes its own, the supervisor only tails them, so a killed supervisor breaks no pipe."""

from __future__ import annotations

import json
import re
import shutil
from collections import deque
from pathlib import Path

from ...formats.control_characters import coloured, on_one_line, visible

#: gunicorn events below warning
_GUNICORN = re.compile(r"\[[^]]+\] \[\d+\] \[(INFO|DEBUG)\]")
#: size in bytes at which a log file is rotated to NAME.log.1
LARGEST = 10_000_000
#: bytes per read, so that a flood in one log does not delay the others
MOST_READ = 200_000


class LogFile:
    """Tail of one log file, with rotation."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = path.stat().st_size if path.exists() else 0

    def new_lines(self) -> list[str]:
        """The complete lines written since the last read."""
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
        """Rotate by copy and truncate; the writer has opened the file for append and continues at the new end."""
        if not self.path.exists() or self.path.stat().st_size < LARGEST:
            return
        shutil.copyfile(self.path, self.path.with_name(self.path.name + ".1"))
        with open(self.path, "r+b") as file:
            file.truncate(0)
        self._seen = 0


def is_for_terminal(line: str) -> bool:
    """True if `./run up` prints the line: job output and events, warnings, and unstructured lines. `./run logs` has the rest."""
    if _GUNICORN.match(line):
        return False
    try:
        event = json.loads(line) if line.startswith("{") else None
    except ValueError:
        event = None
    return not isinstance(event, dict) or event.get("level") not in ("debug", "info") or "job_id" in event


def last_lines(path: Path, count: int) -> list[str]:
    """The last non-empty lines of a log, formatted."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - MOST_READ))
            lines = deque((line for line in file.read().decode(errors="replace").splitlines() if line.strip()), maxlen=count)
    except OSError:
        return []
    return [readable(line) for line in lines]


def readable(line: str) -> str:
    """Format a JSON log event as one short line; in other lines only control characters are escaped. Colours stay."""
    if not line.startswith("{"):
        return coloured(line)
    try:
        event = json.loads(line)
        time = str(event.pop("timestamp", ""))[11:19]
        level = str(event.pop("level", "info"))
        what = str(event.pop("event", ""))
    except (ValueError, AttributeError):
        return coloured(line)
    event.pop("logger", None)
    trace = event.pop("exception", None)
    fields = " ".join(f"{name}={value}" for name, value in event.items())
    said = " ".join(part for part in (time, "" if level == "info" else level.upper(), what, fields) if part)
    return on_one_line(said) + (f"\n{visible(str(trace))}" if trace else "")
