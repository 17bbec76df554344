"""Imports: garbage collection, which finds nothing during them and costs a third of a process's start; calls after the last; modules that fail."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout

#: new objects that trigger a collection of the youngest, and collections of the middle generation that trigger a full one
YOUNG_OBJECTS, OLD_ROUNDS = 5_000, 50
_waiting: list[Callable[[], None]] = []
_keeps_output: list[bool] = []
_reports: list[Callable[[str, Exception], None]] = []
_broken: set[str] = set()


def keep_output() -> None:
    """Reserve standard output for the results of this program: what modules of actors print when they are imported goes to standard error."""
    _keeps_output.append(True)


@contextmanager
def printing_aside() -> Iterator[None]:
    """Print to standard error in the block, if the program has reserved standard output."""
    if not _keeps_output:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def go_on_without_broken_actors(report: Callable[[str, Exception], None]) -> None:
    """Let this program work without the modules of actors that cannot be imported; each is reported with its error."""
    _reports[:] = [report]


def goes_on_without(module: str, error: Exception) -> bool:
    """Report a module of actors that cannot be imported; False if this program needs all of them."""
    for report in _reports:
        _broken.add(module)
        report(module, error)
    return bool(_reports)


def lacks_actors() -> bool:
    """True if a module of actors could not be imported: an unknown actor may be one of its, with secrets that only it declares."""
    return bool(_broken)


def after_imports(call: Callable[[], None]) -> None:
    """Have a function called when all modules of actors are imported: it may need things that a later module declares."""
    _waiting.append(call)


def complete_imports() -> None:
    """Call the waiting functions, also those that these register."""
    while _waiting:
        try:
            _waiting.pop(0)()
        except Exception as error:
            if not goes_on_without("a module of actors", error):
                raise


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


def collect_rarely() -> None:
    """Make full garbage collections rare in a process that answers requests: each takes some 50 ms of one of them.

    Young objects, and with them the cycles that a request leaves, are still collected after some requests.
    """
    young, middle, old = gc.get_threshold()
    if young:  # a collector that is disabled stays so
        gc.set_threshold(max(young, YOUNG_OBJECTS), middle, max(old, OLD_ROUNDS))
