"""Files of a backup: the copy itself, and a manifest that describes it and holds its checksum."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from .errors import BackupError

Store = Literal["sqlite", "postgresql"]
#: suffixes of copies; other files in the folder are left alone
SUFFIXES: dict[Store, str] = {"sqlite": ".sqlite.gz", "postgresql": ".pgdump"}
_NAME = re.compile(r"callboard-(\d{8}T\d{6}Z)(-\d+)?(\.sqlite\.gz|\.pgdump)")
_STAMP = "%Y%m%dT%H%M%SZ"
#: files that a killed backup or restore leaves behind
_DRAFT = re.compile(
    r"(callboard|before-restore)-\d{8}T\d{6}Z(-\d+)?(\.sqlite\.gz|\.pgdump)(\.part(\.plain(-wal|-shm|-journal)?)?|\.draft|\.sql)"
)
#: seconds after which no running backup writes a file any more
GRACE_S = 24 * 3600.0
#: bytes read at a time
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """Description of one backup. `counts`: rows of some tables in the snapshot."""

    file: str
    made_at: str  # ISO 8601, UTC: the instant of the snapshot
    store: Store
    bytes: int
    sha256: str
    schema: str  # revision of the newest migration
    version: str
    counts: dict[str, int]

    @property
    def instant(self) -> datetime:
        return datetime.fromisoformat(self.made_at)


def new_path(folder: Path, store: Store, at: datetime, *, prefix: str = "callboard") -> Path:
    """Return an unused name in the folder."""
    stamp = at.astimezone(UTC).strftime(_STAMP)
    for number in range(1, 1000):
        path = folder / f"{prefix}-{stamp}{'' if number == 1 else f'-{number}'}{SUFFIXES[store]}"
        if not path.exists():
            return path
    raise BackupError(f"{folder} has a thousand backups of one second.")


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest beside the copy, atomically: a copy without one is incomplete."""
    draft = manifest_path(path).with_suffix(".draft")
    with open(draft, "w", opener=private) as file:
        json.dump(asdict(manifest), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(manifest_path(path))


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of a copy; raises BackupError."""
    try:
        return Manifest(**json.loads(manifest_path(path).read_text()))
    except FileNotFoundError:
        raise BackupError(
            f"{manifest_path(path)} is missing: it belongs to the backup and says whether it is whole. Copy it, too."
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise BackupError(f"{manifest_path(path)} cannot be read: {error}") from None


def manifest_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def backups(folder: Path) -> list[tuple[datetime, Path]]:
    """Return the finished backups of a folder with their instants, newest first."""
    return sorted(_found(folder), reverse=True)


def _found(folder: Path) -> Iterator[tuple[datetime, Path]]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        name = _NAME.fullmatch(path.name)
        if name and manifest_path(path).exists():
            yield datetime.strptime(name.group(1), _STAMP).replace(tzinfo=UTC), path


def delete_drafts(folder: Path) -> None:
    """Delete what killed backups left behind."""
    for path in folder.iterdir():
        if _DRAFT.fullmatch(path.name) and is_left(path):
            path.unlink(missing_ok=True)


def is_left(path: Path) -> bool:
    """True if the file was added here so long ago that its backup cannot be running. The content of a link may be older."""
    try:
        return time.time() - path.stat().st_ctime > GRACE_S
    except FileNotFoundError:  # it was deleted meanwhile
        return False


def private(path: str, flags: int) -> int:
    """Open for this user only: a backup holds everything."""
    return os.open(path, flags, 0o600)


def store_of(path: Path) -> Store:
    """Return the store that a copy came from, by its name; raises BackupError."""
    for store, suffix in SUFFIXES.items():
        if path.name.endswith(suffix):
            return store
    raise BackupError(f"{path} is not a Callboard backup: the name of one ends in {' or '.join(SUFFIXES.values())}.")
