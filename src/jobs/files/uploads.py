"""Files that jobs are given: each content once in a folder, named by what is in it; arguments hold a small reference.

The file is complete on the disk before anything refers to it, and its content never changes. Who refers to it is not
written down anywhere: upload_uses.py looks. So a file is young when it came or was last referred to, and what is old and
nobody's is deleted (`prune`). Several hosts must share the folder: what the web keeps, a worker reads.
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
from .durable import entries, make_folder, sync_folder

#: what a file's id looks like, wherever it stands
ID = re.compile(r"file_[0-9a-f]{40}")
#: of a file's name
NAME_LENGTH = 255
#: where files are until they are complete
_DRAFTS = "drafts"
#: seconds after which a draft is nobody's any more
_DRAFT_S = 24 * 3600.0


class UploadNotHere(JobsError):
    """There is no such file on this host."""


class TooLarge(JobsError):
    """The file is larger than any may be."""


def draft() -> IO[bytes]:
    """A file to write to, which is gone when it is closed; keep() makes it stay. Raises OSError."""
    folder = _folder() / _DRAFTS
    make_folder(folder)
    return tempfile.NamedTemporaryFile(dir=folder)  # whoever asked closes it


def keep(made: IO[bytes]) -> tuple[str, int, str]:
    """Keep the content of a draft, safe on the disk when this returns: its id, its size, its SHA-256. Raises TooLarge, OSError."""
    made.flush()
    os.fsync(made.fileno())
    size = os.fstat(made.fileno()).st_size
    if size > get_settings().max_upload_bytes:
        raise TooLarge(f"The file is {size} bytes; at most {get_settings().max_upload_bytes} are taken (CALLBOARD_MAX_UPLOAD_BYTES).")
    made.seek(0)
    digest = hashlib.file_digest(made, "sha256").hexdigest()  # type: ignore[arg-type]
    # Made with the secret key: whoever knows a content's digest does not thereby know its id, which opens it.
    id = "file_" + hmac.new(get_settings().effective_secret_key().encode(), f"upload {digest}".encode(), "sha256").hexdigest()[:40]
    os.fchmod(made.fileno(), 0o440)
    while not _touch(path(id)):
        make_folder(path(id).parent)
        with suppress(FileExistsError, FileNotFoundError):  # another kept the same at once, or the empty folder was just tidied away
            os.link(made.name, path(id))
            sync_folder(path(id).parent)
    return id, size, digest


def size_of(id: str) -> int:
    """The size of a file that is about to be referred to; from now on it is young again. Raises UploadNotHere."""
    if not _touch(path(id)):
        raise UploadNotHere(
            f"There is no file {id} here: it was never brought, or is deleted since nothing referred to it. Bring it again; "
            "where web and workers run on several hosts, let CALLBOARD_UPLOADS_DIR name a folder that all of them share."
        )
    return path(id).stat().st_size


def path(id: str) -> Path:
    """Where the file of this id is. Raises UploadNotHere for what is no id."""
    if not ID.fullmatch(id):
        raise UploadNotHere(f"{id!r:.60} is no file's id: that is file_ and 40 digits, as POST /api/v1/files answers.")
    return _folder() / id[5:7] / id


def clean_name(name: str) -> str:
    """A file's name as it is kept: without folders, and without what is no character to be seen."""
    last = re.split(r"[/\\]", name)[-1]
    seen = "".join(character if character.isprintable() else "_" for character in last).strip()
    return seen[:NAME_LENGTH] if seen.strip(".") else "file"


def any_kept() -> bool:
    """Is there any file?"""
    return next(_kept(), None) is not None


def old(before: float) -> list[str]:
    """The ids of the files that came, or were last referred to, before an instant (seconds since 1970)."""
    return [file.name for file in _kept() if _age_mark(file) < before]


def prune(candidates: Collection[str], used: Collection[str], before: float) -> int:
    """Delete those candidates that nobody uses and that are still old; return how many. Also drafts that were broken off."""
    deleted = 0
    for id in set(candidates) - set(used):
        deleted += _delete_if_old(path(id), before)
        with suppress(OSError):  # others are in it
            path(id).parent.rmdir()
    for left in entries(_folder() / _DRAFTS):
        if _age_mark(left) < time.time() - _DRAFT_S:
            left.unlink(missing_ok=True)
    return deleted


def found(value: Any) -> Iterator[dict[str, Any]]:
    """The references within a JSON value."""
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
    """Delete a file unless somebody refers to it at this very moment.

    It is taken away first and looked at then: whoever touched it before made it young, and it comes back; whoever
    comes after finds nothing, and is told so.
    """
    away = file.with_name(file.name + ".going")
    try:
        file.rename(away)
    except FileNotFoundError:
        return False
    if _age_mark(away) >= before:
        with suppress(FileExistsError):
            os.link(away, file)
        away.unlink()
        return False
    away.unlink()
    return True


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
    """Make a file young; is it there?"""
    try:
        os.utime(file)
    except FileNotFoundError:
        return False
    except OSError:  # another user's, or a folder that this host only reads: then it is as old as it is
        return file.exists()
    return True


def _folder() -> Path:
    return get_settings().effective_uploads_dir
