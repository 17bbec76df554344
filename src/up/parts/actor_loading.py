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

_ACTORS = str(SOURCE / "actors" / "__init__.py")


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
    frames = traceback.extract_tb(error.__traceback__)
    is_loading = any(frame.filename == _ACTORS and frame.name in ("_discover", "_import_folder", "<module>") for frame in frames)
    return _in_words(error) if is_loading else None


def warning(module: str, error: Exception) -> str:
    """The text for a program that goes on without a module."""
    place = _place(error)
    return f"Without {module}, which cannot be loaded: {type(error).__name__}: {error}" + (f"\n    at {place}" if place else "")


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
    frames = traceback.extract_tb(error.__traceback__)
    imports = [number for number, frame in enumerate(frames) if frame.filename == _ACTORS and frame.name == "_import"]
    inside = [frame for frame in frames[imports[-1] if imports else 0 :] if not _is_machinery(Path(frame.filename))]
    installed = sysconfig.get_path("purelib")
    team = [frame for frame in inside if not frame.filename.startswith(installed)]
    if imports and inside and not team:  # the team's package is installed beside its dependencies: it is imported first
        package = Path(inside[0].filename).relative_to(installed).parts[0]
        team = [frame for frame in inside if Path(frame.filename).is_relative_to(Path(installed, package))]
    return f"{team[-1].filename}:{team[-1].lineno}  {(team[-1].line or '').strip()}" if team else None


def _is_machinery(path: Path) -> bool:
    """True for Callboard itself, Python's library and its import system; False for a team's module in src/actors."""
    if path.is_relative_to(SOURCE):
        return path.parent != SOURCE / "actors" or path.name == "__init__.py"
    library = Path(sysconfig.get_path("stdlib"))
    return str(path).startswith("<frozen") or (path.is_relative_to(library) and "site-packages" not in path.relative_to(library).parts)
