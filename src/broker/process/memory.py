"""Memory of this process: how much is resident, and how freely the C library may spread."""

from __future__ import annotations

import ctypes
import os
import time
from contextlib import suppress
from pathlib import Path

_STATM = Path("/proc/self/statm")
#: glibc's parameter for the greatest number of heaps
_M_ARENA_MAX = -8
#: Seconds after which freed memory is given back again: a busy moment leaves megabytes of free blocks below others that are in use, and a
#: process that met one busy moment after another would grow for hours.
AGAIN_S = 60.0
#: heaps of one process: glibc makes eight for each core, and a worker's thirty threads would use, and keep, a megabyte in each
HEAPS = 2


def limit_heaps() -> None:
    """Keep the threads of this process, and of its forks, to a few heaps of the C library. Does nothing elsewhere than with glibc."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, HEAPS)


def give_back() -> None:
    """Give freed memory back to the system (glibc)."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


class GiveBack:
    """Gives freed memory back to the system once in AGAIN_S seconds."""

    def __init__(self) -> None:
        self._due = time.monotonic() + AGAIN_S

    def if_due(self) -> None:
        """Called by a thread that comes by every few seconds."""
        present = time.monotonic()
        if present >= self._due:
            self._due = present + AGAIN_S
            give_back()


def resident_bytes() -> int | None:
    """Return the resident memory in bytes; None where the system does not report it (Linux does)."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
