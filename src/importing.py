"""Imports without garbage collection, which costs a third of a process's start and finds nothing."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage in the block, nor ever again among what is there once it has imported something: modules stay."""
    collects, known = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > known:
            gc.freeze()  # else the next collections go through all of it, and again when the process ends
        if collects:
            gc.enable()
