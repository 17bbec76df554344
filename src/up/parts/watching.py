"""File watcher of `./run up --watch`: detects saved actor files, and reloads them if they can be imported."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from ...settings import Settings
from .. import errors
from ..locations import ROOT, SOURCE
from . import actor_loading

#: poll interval in seconds, long enough for a save to complete
EVERY = 0.3
_TRIAL = f"""
import sys
from {actor_loading.__name__} import load_actors
from {errors.__name__} import UpError
try:
    load_actors()
except UpError as error:
    sys.exit(str(error))
"""

Stamps = dict[Path, tuple[int, int]]


class Import(Protocol):
    """An import of the saved code in another process: a failing or hanging module must not affect the running ones."""

    @property
    def pid(self) -> int: ...

    def outcome(self) -> str | None:
        """Return the problem, "" if there is none, and None until the import has ended."""

    def close(self) -> None:
        """End it."""


class TrialImport:
    """An import in a new interpreter, where parts cannot be forked from it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TRIAL], cwd=ROOT, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def outcome(self) -> str | None:
        if self._process.poll() is None:
            return None
        problem = self._process.communicate()[1].strip()
        return (problem or "It ended without a word.") if self._process.returncode else ""

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


class Watch:
    """Watcher of the actors' source files. `load` starts an import of the saved code; raises OSError."""

    def __init__(self, settings: Settings, *, report: Callable[[str], None], load: Callable[[], Import] = TrialImport) -> None:
        self._roots = list(roots(settings))
        self._loaded = self._latest = self._stamps()
        self._report = report
        self._load = load
        self.changed: list[str] = []  # names of the changed files
        self.changed_at = 0.0
        self._look_at = 0.0
        self._import: Import | None = None

    def news(self) -> Import | None:
        """Return the import of saved files once it has succeeded, so that a reload is due. Never blocks."""
        if self._import is not None and (problem := self._import.outcome()) is not None:
            found, self._import = self._import, None
            if not problem:
                return found
            found.close()
            self._report(f"Not reloaded; the old code keeps running. {problem}")
        if time.monotonic() > self._look_at:
            self._look_at = time.monotonic() + EVERY
            self._look()
        return None

    @property
    def pids(self) -> set[int]:
        """The process id of the import."""
        return set() if self._import is None else {self._import.pid}

    def stop(self) -> None:
        """End an import."""
        if self._import is not None:
            self._import.close()
            self._import = None

    def _look(self) -> None:
        before, self._latest = self._latest, self._stamps()
        if self._latest == self._loaded or self._latest != before:
            return
        self.changed = sorted({path.name for path, _ in set(self._loaded.items()) ^ set(self._latest.items())})
        self.changed_at = time.monotonic()
        self.stop()
        self._import = self._load()
        self._loaded = self._latest  # only now: an import that could not start is repeated at the next poll
        self._report(f"{', '.join(self.changed)} changed")

    def _stamps(self) -> Stamps:
        found: Stamps = {}
        for root in self._roots:
            for path in root.rglob("*.py") if root.is_dir() else [root]:
                try:
                    status = path.stat()
                except OSError:  # race with a save by rename
                    continue
                found[path] = (status.st_mtime_ns, status.st_size)
        return found


def roots(settings: Settings) -> Iterator[Path]:
    """Folders and files of the actors."""
    yield SOURCE / "actors"
    for name in settings.actor_modules:
        if "/" in name:
            yield ROOT / name
            continue
        for entry in (ROOT, *map(Path, sys.path)):
            path = entry.joinpath(*name.split("."))
            if path.with_suffix(".py").is_file():
                yield path.with_suffix(".py")
                break
            if path.is_dir():
                yield path
                break
