"""Sources: the modules below a path, parsed, with the names by which others import them."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..exceptions import ImproperlyConfigured

#: packages whose interface this is: Celery's own, and ours by both names
ROOTS = ("callboard.celery", "src.celery", "celery")
_SKIPPED = frozenset({"node_modules", "site-packages", "__pycache__", "venv", "migrations"})
_BARE_EXCEPT = re.compile(rb"^(\s*except\*? )([^():\n]+,[^():\n]+):", re.MULTILINE)
_TESTS = frozenset({"tests", "test", "testing"})


@dataclass(slots=True)
class Source:
    """One module. `names`: its names that stand for something of Celery."""

    shown: str
    module: str
    is_package: bool
    tree: ast.Module
    names: dict[str, str] = field(default_factory=dict)

    def absolute(self, module: str | None, level: int) -> str:
        """The module that an import of this one means."""
        if not level:
            return module or ""
        parts = self.module.split(".")
        base = parts[: len(parts) - level + (1 if self.is_package else 0)]
        return ".".join([*base, *([module] if module else [])])


@dataclass(frozen=True, slots=True)
class Sources:
    """The modules below a path; `unreadable`: files with the error of the parser."""

    root: Path
    modules: list[Source]
    unreadable: dict[str, str]
    tests: int


def read(root: Path) -> Sources:
    """Parse the modules below a folder, or one file. Tests and migrations are left out."""
    if not root.exists():
        raise ImproperlyConfigured(f"There is no {root}.")
    found = Sources(root, [], {}, 0)
    tests = 0
    for path in [root] if root.is_file() else _files(root):
        shown = path.name if root.is_file() else str(path.relative_to(root))
        if path != root and (
            path.name.startswith("test_") or path.name in ("tests.py", "conftest.py") or _TESTS & set(Path(shown).parent.parts)
        ):
            tests += 1
            continue
        try:
            tree = _parsed(path.read_bytes())
        except (SyntaxError, ValueError, OSError) as error:
            found.unreadable[shown] = str(error)
            continue
        found.modules.append(Source(shown, _module(path), path.name == "__init__.py", tree))
    return Sources(root, found.modules, found.unreadable, tests)


def celery_name(module: str) -> str | None:
    """The name of a module of Celery, whichever package it is imported from; None for others."""
    for root in ROOTS:
        if module == root or module.startswith(f"{root}."):
            return f"celery{module.removeprefix(root)}"
    return None


def _parsed(text: bytes) -> ast.Module:
    """Parse a module, also one with `except A, B:`, which Python 3.14 has."""
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.parse(_BARE_EXCEPT.sub(rb"\1(\2):", text))


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".py"))


def _module(path: Path) -> str:
    """The name by which a file is imported: from the outermost package around it."""
    parts = [] if path.name == "__init__.py" else [path.stem]
    folder = path.resolve().parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)
