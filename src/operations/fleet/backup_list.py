"""List of the backups visible to the web process, for page and API."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ...backup.errors import BackupError
from ...backup.files import Manifest, backups, read_manifest
from ...backup.health import ACTOR as ACTOR
from ...settings import get_settings
from ...sql.clock import now

#: overdue after two hours: one backup runs every hour
OVERDUE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Kept:
    """One backup with its manifest, or the reason why the manifest cannot be read."""

    path: Path
    manifest: Manifest | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Folder:
    """The backup folder, newest first."""

    path: Path
    kept: list[Kept]
    free_bytes: int | None  # free space on the folder's disk
    data_dir: Path  # for the --data option of commands

    @property
    def bytes(self) -> int:
        return sum(each.manifest.bytes for each in self.kept if each.manifest is not None)

    @property
    def newest(self) -> Manifest | None:
        return next((each.manifest for each in self.kept if each.manifest is not None), None)

    @property
    def is_overdue(self) -> bool:
        """True if no backup is younger than two hours."""
        return self.newest is None or now() - self.newest.instant > OVERDUE


def look() -> Folder:
    """Read the folder of CALLBOARD_BACKUP_DIR."""
    path = get_settings().effective_backup_dir
    return Folder(path, [_kept(each) for _, each in backups(path)], _free(path), get_settings().data_dir.resolve())


def document(folder: Folder) -> dict[str, object]:
    """The document for the API."""
    return {
        "folder": str(folder.path),
        "free_bytes": folder.free_bytes,
        "is_overdue": folder.is_overdue,
        "backups": [
            {
                "file": each.path.name,
                "made_at": each.manifest.made_at if each.manifest else None,
                "store": each.manifest.store if each.manifest else None,
                "bytes": each.manifest.bytes if each.manifest else None,
                "sha256": each.manifest.sha256 if each.manifest else None,
                "schema": each.manifest.schema if each.manifest else None,
                "version": each.manifest.version if each.manifest else None,
                "rows": each.manifest.counts if each.manifest else None,
                "problem": each.problem,
            }
            for each in folder.kept
        ],
    }


def _kept(path: Path) -> Kept:
    try:
        return Kept(path, read_manifest(path), None)
    except BackupError as error:
        return Kept(path, None, str(error))


def _free(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:  # the first backup creates the folder
        return None
