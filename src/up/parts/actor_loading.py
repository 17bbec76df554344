"""Load the actors' modules before startup, and report the failing line."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ... import ACTOR_MODULES
from ..errors import UpError
from ..locations import PACKAGE, SOURCE


def load_actors() -> None:
    """Import every actor module first, so that a failing one is reported before any process starts."""
    with loading():
        from ... import actors
    del actors


@contextmanager
def loading() -> Iterator[None]:
    """Convert an import error in the block to UpError with the failing line."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  (an actor module may raise anything when it is imported)
        raise UpError(_in_words(error)) from None


def loading_problem(error: BaseException) -> str | None:
    """The error text of an exception raised while actors were imported; None: it was raised later."""
    actors = str(SOURCE / "actors" / "__init__.py")
    frames = traceback.extract_tb(error.__traceback__)
    is_loading = any(frame.filename == actors and frame.name in ("_discover", "_import_folder", "<module>") for frame in frames)
    return _in_words(error) if is_loading else None


def _in_words(error: BaseException) -> str:
    place, notes = _place(error), "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    text = f"The application cannot be loaded: {type(error).__name__}: {error}{'' if place else notes}\n"
    reproduce = f"eproduce it with:  {sys.executable} -c 'import {PACKAGE}.actors'"
    if place is None:  # the message of Callboard itself, which names the cure
        return f"{text}R{reproduce}"
    return f"{text}    at {place}\nFix that line, or remove the module from {ACTOR_MODULES}; r{reproduce}"


def _place(error: BaseException) -> str | None:
    """The last line outside Callboard, its dependencies and Python's library: that of the team's module."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}  {(error.text or '').strip()}"
    foreign = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), "<frozen")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        is_own = path.is_relative_to(SOURCE) and (path.parent != SOURCE / "actors" or path.name == "__init__.py")
        if not is_own and not frame.filename.startswith(foreign):
            return f"{frame.filename}:{frame.lineno}  {(frame.line or '').strip()}"
    return None
