"""Secrets: kept in files of the data folder, and hidden in what is shown."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

#: settings that are secret as a whole
SECRET_FIELDS = {"secret_key"}
#: the start of a further URL of a list; a password may contain the separator
_NEXT_URL = re.compile(r"(;\s*(?=[a-z][a-z0-9+.-]*://))", re.IGNORECASE)
_PASSWORD = re.compile(r"(//[^:/@\s]*):.*@", re.DOTALL)
_PARAMETER = re.compile(r"([?&][^=&#]*(?:password|passwd|secret|token)[^=&#]*=)[^&#]*", re.IGNORECASE)


def masked(name: str, value: object) -> str:
    """A value fit to be shown: keys are hidden, and passwords in URLs up to the last @ of each, and in their parameters."""
    text = str(value)
    if name in SECRET_FIELDS and text:
        return "•••"
    return "".join(_PARAMETER.sub(r"\1•••", _PASSWORD.sub(r"\1:•••@", url)) for url in _NEXT_URL.split(text))


def kept_secret(path: Path, *, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
    """Read the secret in `path`, or create it first. Two processes that race end up with the same value."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with open(draft, "x", opener=_private) as file:
            file.write(make())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # atomic: the first link wins, and every process reads that value
        draft.unlink()
    return path.read_text().strip()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
