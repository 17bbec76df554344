"""Secrets: kept in files of the data folder, and hidden in what is shown."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

#: settings that are secret as a whole
SECRET_FIELDS = {"secret_key"}
#: settings that list URLs; elsewhere a `;` is part of the URL
_LISTS = {"broker_url", "management_url"}
#: the start of a further URL of a list; a password may contain the separator
_NEXT_URL = re.compile(r"(;\s*(?=[a-z][a-z0-9+.-]*://))", re.IGNORECASE)
#: a user name may hold an @
_PASSWORD = re.compile(r"(//[^:]*):.*@", re.DOTALL)
_PARAMETER = re.compile(r"(?<=[?&])([^=&]*)=([^&]*)")
_IS_SECRET = re.compile(r"pass(word|wd)|secret|token|scram", re.IGNORECASE)


def masked(name: str, value: object) -> str:
    """A value fit to be shown: keys are hidden, and passwords in URLs up to the last @ of each, and in their parameters."""
    text = str(value)
    if name in SECRET_FIELDS and text:
        return "•••"
    return "".join(_without_password(url) for url in (_NEXT_URL.split(text) if name in _LISTS else [text]))


def _without_password(url: str) -> str:
    login, mark, rest = url.partition("?")
    query = _PARAMETER.sub(_without_value, mark + rest)  # first: a password there may hold an @
    return _PASSWORD.sub(r"\1:•••@", login + query)


def _without_value(parameter: re.Match[str]) -> str:
    name, value = parameter.groups()
    is_secret = _IS_SECRET.search(unquote(name)) or (name == "ssl_options" and _IS_SECRET.search(unquote(value)))
    return f"{name}=•••" if is_secret else f"{name}={value}"


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
