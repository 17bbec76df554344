"""File watcher of `./run up --watch`: detects saved actor files, and reloads them if they can be imported."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ...settings import Settings
from .. import errors
from ..locations import ROOT, SOURCE
from . import actor_loading

#: poll interval in seconds, long enough for a save to complete
EVERY = 0.3
#: trial import in a separate process: a failing or hanging module must not affect the running ones
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


class Watch:
    """Watcher of the actors' source files."""

    def __init__(self, settings: Settings, *, report: Callable[[str], None]) -> None:
        self._roots = list(roots(settings))
        self._loaded = self._latest = self._stamps()
        self._report = report
        self.changed: list[str] = []  # names of the changed files
        self._look_at = 0.0
        self._trial: subprocess.Popen[str] | None = None

    def has_news(self) -> bool:
        """True if files were saved and can be imported, so that a reload is due. Never blocks."""
        if self._trial is not None and self._trial.poll() is not None:
            problem = self._trial.communicate()[1].strip()
            failed, self._trial = self._trial.returncode != 0, None
            if failed:
                self._report(f"Not reloaded; the old code keeps running. {problem}")
            return not failed
        if time.monotonic() > self._look_at:
            self._look_at = time.monotonic() + EVERY
            self._look()
        return False

    def stop(self) -> None:
        """Kill a running trial import."""
        if self._trial is not None:
            self._trial.kill()
            self._trial.communicate()
            self._trial = None

    def _look(self) -> None:
        before, self._latest = self._latest, self._stamps()
        if self._latest == self._loaded or self._latest != before:
            return
        self.changed = sorted({path.name for path, _ in set(self._loaded.items()) ^ set(self._latest.items())})
        self.stop()
        self._trial = subprocess.Popen(
            [sys.executable, "-c", _TRIAL], cwd=ROOT, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        )
        self._loaded = self._latest  # only now: a trial that could not start is repeated at the next poll
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
