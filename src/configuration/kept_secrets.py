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


def masked(name: str, value: object) -> str:
    """A value fit to be shown: keys are hidden, and passwords in URLs up to the last @ of each."""
    text = str(value)
    if name in SECRET_FIELDS and text:
        return "•••"
    return ";".join(re.sub(r"(//[^:/@\s]*):\S*@", r"\1:•••@", url) for url in text.split(";"))


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
