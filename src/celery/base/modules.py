"""Modules and names of Celery without a counterpart: importing one raises an error with the cure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any, NoReturn

from .differences import DIFFERENCES, unsupported

_PACKAGE = __name__.rpartition(".base.")[0]


class _Missing(MetaPathFinder):
    """Last finder: names that no other one has found."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname.startswith(f"{_PACKAGE}.") and (why := _why(fullname)) is not None:
            raise ImportError(why, name=fullname)
        return None


def refuse() -> None:
    """Install the finder, once."""
    if not any(isinstance(each, _Missing) for each in sys.meta_path):
        sys.meta_path.append(_Missing())


def absent(module: str) -> Callable[[str], NoReturn]:
    """Return the `__getattr__` of a module with Celery's name: a name that it lacks raises AttributeError with the cure.

    `from module import name` would hide that error. A path makes it ask the finder above first.
    """

    def refuse_name(name: str) -> NoReturn:
        raise AttributeError(_why(f"{module}.{name}") or f"module {module!r} has no attribute {name!r}")

    vars(sys.modules[module]).setdefault("__path__", [])
    return refuse_name


def _why(fullname: str) -> str | None:
    """The message about a missing name, by its own row of the table or that of a module around it; None if neither exists."""
    name = f"celery{fullname.removeprefix(_PACKAGE)}"
    is_special = name.rpartition(".")[2].startswith("__")  # asked for by Python itself
    around = [] if is_special else [name.rsplit(".", count)[0] for count in range(1, name.count("."))]
    row = next((each for each in (name.removeprefix("celery."), name, *around) if each in DIFFERENCES), None)
    return None if row is None else str(unsupported(row, shown=name))
