"""Uploads: files that jobs are given, stored once per content and named by its digest; arguments hold a small reference.

The file is complete on disk before anything refers to it, and its content never changes. References are not recorded:
references.py scans for them. A file counts as new when it was uploaded or last referred to; old, unused files are
deleted (`prune`). Several hosts must share the folder: the web front end writes, a worker reads.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ...settings import get_settings
from ..core.errors import JobsError
from ..core.guards import guarded
from .durable import entries, make_folder, sync_folder

#: format of a file's id
ID = re.compile(r"file_[0-9a-f]{40}")
#: of a file's name
NAME_LENGTH = 255
#: incomplete files
_DRAFTS = "drafts"
#: seconds after which an abandoned draft is deleted
_DRAFT_S = 24 * 3600.0
#: end of the name of a file that is being deleted
_GOING = ".going"


class UploadNotHere(JobsError):
    """This host does not have the file."""


class TooLarge(JobsError):
    """The file exceeds the size limit."""


def draft() -> IO[bytes]:
    """Return a temporary file, deleted when closed; keep() makes it permanent. Raises OSError."""
    folder = _folder() / _DRAFTS
    make_folder(folder)
    return tempfile.NamedTemporaryFile(dir=folder)  # the caller closes it


def keep(file: IO[bytes]) -> tuple[str, int, str]:
    """Store the content of a draft durably; return its id, its size, its SHA-256. Raises TooLarge, OSError."""
    file.flush()
    os.fsync(file.fileno())
    size = os.fstat(file.fileno()).st_size
    if size > get_settings().max_upload_bytes:
        raise TooLarge(f"The file is {size} bytes; at most {get_settings().max_upload_bytes} are taken (CALLBOARD_MAX_UPLOAD_BYTES).")
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    # An HMAC with the secret key: knowing a content's digest must not reveal its id, which grants access.
    id = "file_" + hmac.new(get_settings().effective_secret_key().encode(), f"upload {digest}".encode(), "sha256").hexdigest()[:40]
    os.fchmod(file.fileno(), 0o440)
    while not _touch(path(id)):
        make_folder(path(id).parent)
        with suppress(FileExistsError, FileNotFoundError):  # another process stored the same file, or removed the empty folder
            os.link(file.name, path(id))
            sync_folder(path(id).parent)
    return id, size, digest


def size_of(id: str) -> int:
    """Return the size of a file about to be referred to, and mark it as new. Raises UploadNotHere."""
    if not _touch(path(id)):
        raise UploadNotHere(
            f"There is no file {id} here: it was never uploaded, or was deleted because nothing referred to it. Upload it again; "
            "if web and workers run on several hosts, set CALLBOARD_UPLOADS_DIR to a folder that all of them share."
        )
    return path(id).stat().st_size


def path(id: str) -> Path:
    """Return the path of this id's file. Raises UploadNotHere for an invalid id."""
    if not ID.fullmatch(id):
        raise UploadNotHere(f"{id!r:.60} is not a file's id, which is file_ and 40 digits, as POST /api/v1/files answers.")
    return _folder() / id[5:7] / id


def clean_name(name: str) -> str:
    """Clean a file's name: without folders and without invisible characters."""
    last = re.split(r"[/\\]", name)[-1]
    seen = "".join(character if character.isprintable() else "_" for character in last).strip()
    return seen[:NAME_LENGTH] if seen.strip(".") else "file"


def any_kept() -> bool:
    """True if any file is stored."""
    return next(_kept(), None) is not None


def old(before: float) -> list[str]:
    """Return the ids of the files uploaded, and last referred to, before an instant (seconds since 1970)."""
    return [file.name for file in _kept() if _age_mark(file) < before]


def prune(candidates: Collection[str], used: Collection[str], before: float) -> int:
    """Delete those candidates that are unused and still old; return the number of files."""
    deleted = 0
    for id in set(candidates) - set(used):
        with guarded("upload_not_deleted", file=id):
            deleted += _delete_if_old(path(id), before)
        with suppress(OSError):  # it still holds other files
            path(id).parent.rmdir()
    return deleted


def clear_up(before: float) -> None:
    """Delete abandoned drafts, and end what a process that was killed has begun to delete."""
    for left in entries(_folder() / _DRAFTS):
        if _age_mark(left) < time.time() - _DRAFT_S:
            left.unlink(missing_ok=True)
    for left in _folder().glob(f"*/*{_GOING}"):
        with guarded("upload_not_deleted", file=left.stem):
            _decide(left, before)


def found(value: Any) -> Iterator[dict[str, Any]]:
    """Return the references within a JSON value."""
    if isinstance(value, dict):
        id = value.get("id")
        if isinstance(id, str) and ID.fullmatch(id):
            yield value
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from found(inner)


def _delete_if_old(file: Path, before: float) -> bool:
    """Delete a file unless a reference to it is being created at this moment.

    It is moved away first and checked then: a process that touched it before has made it new, and it is moved back; one
    that comes later finds no file and raises UploadNotHere.
    """
    away = file.with_name(file.name + _GOING)
    try:
        file.rename(away)
    except FileNotFoundError:
        return False
    return _decide(away, before)


def _decide(away: Path, before: float) -> bool:
    """Delete a file that was moved away, or move it back if it is new."""
    is_old = _age_mark(away) < before
    if not is_old:
        with suppress(FileExistsError, FileNotFoundError):  # uploaded again meanwhile, or another process has decided
            os.link(away, away.with_suffix(""))
    away.unlink(missing_ok=True)
    return is_old


def _kept() -> Iterator[Path]:
    for folder in entries(_folder()):
        if folder.name != _DRAFTS:
            yield from (file for file in entries(folder) if ID.fullmatch(file.name))


def _age_mark(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _touch(file: Path) -> bool:
    """Mark a file as new; False if it does not exist."""
    try:
        os.utime(file)
    except FileNotFoundError:
        return False
    except OSError:  # owned by another user, or a read-only folder: its age stays
        return file.exists()
    return True


def _folder() -> Path:
    return get_settings().effective_uploads_dir
