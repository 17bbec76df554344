"""Name of the user at the terminal."""

from __future__ import annotations

import getpass
import os


def terminal_user() -> str:
    """The user's name, or the number where the system has no name for it, as in containers that run with any number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
