"""The two things the web room does for a person at a terminal: the first administrator, and a link that signs in once."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path
from types import ModuleType

from src.up.errors import UpError


def ensure_admin() -> str | None:
    """Make the user `admin` and return its password, the first time only."""
    password = _auth().ensure_admin()
    return None if password is None else str(password)


def one_time_link(base_url: str) -> str:
    """A link below `base_url` that signs the administrator in, once."""
    return str(_auth().one_time_link(base_url))


def _auth() -> ModuleType:
    """The web room, imported late: it reads the settings. The actors first: what does not work among them is told before anything serves."""
    load("src.actors")
    return load("src.web.auth")


def load(module: str) -> ModuleType:
    """Import a module that loads every actor, so also one that does not work: UpError says which line."""
    try:
        return importlib.import_module(module)
    except Exception as error:  # noqa: BLE001  (whatever an actor's module does when it is imported: it is told in words)
        raise UpError(_in_words(error)) from None


def loading_problem(error: BaseException) -> str | None:
    """What to say of an error that came while the actors were imported, whichever verb did so; None: it came later."""
    actors = str(Path(__file__).parents[1] / "actors" / "__init__.py")
    frames = traceback.extract_tb(error.__traceback__)
    is_loading = any(frame.filename == actors and frame.name in ("_discover", "_import_folder", "<module>") for frame in frames)
    return _in_words(error) if is_loading else None


def _in_words(error: BaseException) -> str:
    where = error if isinstance(error, SyntaxError) else traceback.extract_tb(error.__traceback__)[-1]
    line = (where.text if isinstance(where, SyntaxError) else where.line) or ""
    return (
        f"The application cannot be loaded: {type(error).__name__}: {error}\n"
        f"    at {where.filename}:{where.lineno}  {line.strip()}\n"
        "Mend that line, or take the module out of src/actors and CALLBOARD_ACTORS; see for yourself:  .venv/bin/python -c 'import src.actors'"
    )
