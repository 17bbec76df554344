"""File store of backups: keep each file once beside all backups that refer to it, and restore it with them.

A file never changes and its name is never reused for other content, so backups share it: a hard link where the file
system has them, else one copy for all. Beside each backup with files lies a list of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .files import is_left, manifest_path, private


@dataclass(frozen=True, slots=True)
class Shelf:
    """One kind of file. `folder`: its folder among the backups, and the suffix of lists; `path`: where a file is in use."""

    folder: str
    path: Callable[[str], Path]

    def keep(self, names: Iterable[str], backup: Path) -> None:
        """Keep these files for the backup at `backup`. One that was deleted since the snapshot is not an error."""
        names = sorted(names)
        if not names:
            return
        for name in names:
            with suppress(FileNotFoundError):
                _link(self.path(name), backup.parent / self.folder / name)
        with open(self._list(backup), "w", opener=private) as file:
            file.writelines(f"{name}\n" for name in names)
            file.flush()
            os.fsync(file.fileno())

    def put_back(self, names: Iterable[str], backup: Path) -> tuple[int, int]:
        """Put back files missing from their place; return how many were restored, and how many are lost."""
        came = lost = 0
        for name in names:
            if self.path(name).exists():
                continue
            try:
                _link(backup.parent / self.folder / name, self.path(name))
                came += 1
            except FileNotFoundError:
                lost += 1
        return came, lost

    def prune(self, folder: Path) -> None:
        """Delete lists whose backup is gone, and files that no list names any longer."""
        wanted: set[str] = set()
        for listed in folder.glob(f"*.{self.folder}"):
            backup = listed.with_suffix("")
            if manifest_path(backup).exists() or not is_left(listed):
                wanted.update(listed.read_text().split())
            else:
                listed.unlink(missing_ok=True)
        for file in (folder / self.folder).glob("*/*"):
            if f"{file.parent.name}/{file.name}" not in wanted and is_left(file):
                file.unlink(missing_ok=True)
                with suppress(OSError):  # it still holds other files
                    file.parent.rmdir()

    def _list(self, backup: Path) -> Path:
        return backup.with_name(f"{backup.name}.{self.folder}")


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    if not source.exists():
        raise FileNotFoundError(source)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:  # another file system, or one without links
        draft = target.with_name(target.name + ".part")
        shutil.copy2(source, draft)
        draft.replace(target)
