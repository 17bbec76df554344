"""List of the backups visible to the web process, for page and API."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...backup.errors import BackupError
from ...backup.files import Manifest, Store, backups, read_manifest
from ...backup.health import ACTOR as ACTOR
from ...settings import get_settings
from ...sql.clock import now
from ..format.document_fields import Instant

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


class BackupDocument(TypedDict):
    """A backup. Values that its manifest does not give are null."""

    file: str
    made_at: Annotated[Instant | None, Field(description="the instant of the snapshot")]
    store: Store | None
    bytes: int | None
    sha256: str | None
    schema: Annotated[str | None, Field(description="revision of the newest migration")]
    version: str | None
    rows: Annotated[dict[str, int] | None, Field(description="number of rows by table, of some tables")]
    problem: Annotated[str | None, Field(description="why the manifest cannot be read")]


class BackupsDocument(TypedDict):
    """The backups of the folder, newest first."""

    folder: str
    free_bytes: Annotated[int | None, Field(description="free space on the folder's disk; null: no folder yet")]
    is_overdue: Annotated[bool, Field(description="true if no backup is younger than two hours")]
    backups: list[BackupDocument]


def document(folder: Folder) -> BackupsDocument:
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
