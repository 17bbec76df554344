"""Imports: without garbage collection, which costs a third of a process's start and finds nothing; and calls after the last one."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_waiting: list[Callable[[], None]] = []


def after_imports(call: Callable[[], None]) -> None:
    """Have a function called when all modules of actors are imported: it may need things that a later module declares."""
    _waiting.append(call)


def complete_imports() -> None:
    """Call the waiting functions, also those that these register."""
    while _waiting:
        _waiting.pop(0)()


@contextmanager
def uncollected() -> Iterator[None]:
    """Suspend garbage collection in the block, and exempt all objects that exist at its end: imported modules stay.

    Inside another such block, or where collections are off, the caller decides when to exempt.
    """
    collects, known = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if collects and len(sys.modules) > known:
            gc.freeze()  # else later collections scan all of it, and once more when the process exits
        if collects:
            gc.enable()
