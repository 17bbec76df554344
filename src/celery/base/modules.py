"""Modules of Celery without a counterpart: importing one raises an error with the cure."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

from .differences import DIFFERENCES, unsupported

_PACKAGE = __name__.rpartition(".base.")[0]


class _Missing(MetaPathFinder):
    """Last finder: names that no other one has found."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname.startswith(f"{_PACKAGE}."):
            name = f"celery.{fullname.removeprefix(f'{_PACKAGE}.')}"
            while "." in name:
                if name in DIFFERENCES:
                    raise ImportError(str(unsupported(name)), name=fullname)
                name = name.rpartition(".")[0]
        return None


def refuse() -> None:
    """Install the finder, once."""
    if not any(isinstance(each, _Missing) for each in sys.meta_path):
        sys.meta_path.append(_Missing())
