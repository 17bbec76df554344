"""Log lines of a running attempt, bounded and numbered, until they are written."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ...formats.quantities import counted
from ...settings import get_settings
from ...sql.clock import now
from ...sql.columns import to_microseconds

#: characters of one line that are kept
LINE_LIMIT = 8_000
#: seconds after which a taken line counts as written
UNSURE_S = 30.0


class Line(NamedTuple):
    """One line of an attempt; `number` counts from 1, the instant is in microseconds."""

    number: int
    written_us: int
    level: str
    text: str


def last_state(line: str) -> str:
    """The line as a terminal finally shows it: text overwritten after a carriage return was a state of a progress bar."""
    return line.rstrip("\r").rpartition("\r")[2]


class Lines:
    """Buffer between the actor's thread, which adds lines, and the writer, which takes them. Lock-free."""

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        settings = get_settings()
        self._mask = mask
        self._numbers = itertools.count(1)
        self._lines_left = settings.max_log_lines
        self._bytes_left = settings.max_log_bytes
        self._waiting: deque[Line] = deque()
        self._taken: deque[tuple[float, Line]] = deque()  # recently, with the time of taking
        self._begun: dict[str, str] = {}  # per level, a printed line without its line break yet

    def add(self, level: str, text: str) -> None:
        """Add a line, which may contain line breaks; note once when the limit is reached."""
        if self._lines_left <= 0:
            return
        text = self._mask(text)
        if (more := len(text) - LINE_LIMIT) > 0:
            text = f"{text[:LINE_LIMIT]} … {counted(more, 'character', separator=',')} left out"
        self._lines_left -= 1
        self._bytes_left -= len(text.encode("utf-8", "replace"))
        if self._bytes_left < 0 or self._lines_left == 0:
            self._lines_left = 0
            settings = get_settings()
            level = "notice"
            text = (
                f"… the log of this attempt is cut off here: {settings.max_log_lines} lines or {settings.max_log_bytes} bytes are reached …"
            )
        self._waiting.append(Line(next(self._numbers), to_microseconds(now()), level, text))

    def write(self, level: str, text: str) -> None:
        """Add printed text line by line; an unfinished line waits for its line break."""
        *whole, rest = (self._begun.get(level, "") + text).split("\n")
        for line in whole:
            self.add(level, last_state(line))
        if "\r" in rest:
            rest = last_state(rest) + ("\r" if rest.endswith("\r") else "")
        rest = rest if len(rest) <= LINE_LIMIT else self._mask(rest)  # before it is cut: half of a secret would not be recognised
        while len(rest) > LINE_LIMIT and self._lines_left > 0:
            self.add(level, rest[:LINE_LIMIT])
            rest = rest[LINE_LIMIT:]
        self._begun[level] = rest if self._lines_left > 0 else ""

    def finish(self) -> None:
        """Add unfinished lines too."""
        for level, rest in list(self._begun.items()):
            if rest:
                self._begun[level] = ""
                self.add(level, last_state(rest))

    def extend(self, lines: Iterable[Line]) -> None:
        """Add lines that were numbered in a child process."""
        self._waiting.extend(lines)

    def take(self) -> list[Line]:
        """Remove and return the waiting lines."""
        present = time.monotonic()
        while self._taken and self._taken[0][0] < present - UNSURE_S:
            self._taken.popleft()
        taken: list[Line] = []
        while self._waiting:
            line = self._waiting[0]
            self._taken.append((present, line))  # before it is removed there: pending() must not miss it
            self._waiting.popleft()
            taken.append(line)
        return taken

    def pending(self) -> list[Line]:
        """Return lines that may not be written yet, including those taken recently: the attempt's end carries them, and writing is idempotent."""
        self.finish()
        waiting = list(self._waiting)
        return sorted({*(line for _, line in list(self._taken)), *waiting})
