"""Load the actors' modules before startup, and report the failing line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

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
    where = error if isinstance(error, SyntaxError) else traceback.extract_tb(error.__traceback__)[-1]
    line = (where.text if isinstance(where, SyntaxError) else where.line) or ""
    return (
        f"The application cannot be loaded: {type(error).__name__}: {error}\n"
        f"    at {where.filename}:{where.lineno}  {line.strip()}\n"
        f"Fix that line, or remove the module from src/actors and CALLBOARD_ACTORS; reproduce it with:  .venv/bin/python -c 'import {PACKAGE}.actors'"
    )
