"""The two things the web room does for a person at a terminal: the first administrator, and a link that signs in once."""

from __future__ import annotations

import importlib
import traceback
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
        where = error if isinstance(error, SyntaxError) else traceback.extract_tb(error.__traceback__)[-1]
        line = (where.text if isinstance(where, SyntaxError) else where.line) or ""
        raise UpError(
            f"The application cannot be loaded: {type(error).__name__}: {error}\n"
            f"    at {where.filename}:{where.lineno}  {line.strip()}\n"
            "Mend that line, or take the module out of src/actors and CALLBOARD_ACTORS; see for yourself:  .venv/bin/python -c 'import src.actors'"
        ) from None
