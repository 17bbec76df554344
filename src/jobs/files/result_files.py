"""Result files: results too large for their row, each in a file that the row names.

The file is complete on disk before the commit that names it, and is deleted after the commit that deletes its row. So a
row never names a missing file; a crash leaves an unreferenced file, which `unnamed` finds. Several hosts must share the
folder: one writes a file, another reads it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.orm import Session

from ...settings import get_settings
from ..core.errors import JobsError
from ..core.guards import guarded
from ..core.models import Job
from ..core.states import State
from . import uploads
from .durable import entries, make_folder, sync_folder

#: jobs whose results share a folder: file systems handle huge folders badly
IN_ONE_FOLDER = 1_000
#: the job's seq and attempt; the suffix separates two processes that ran the same attempt number
_NAME = re.compile(r"(\d+)-(\d+)-[0-9a-f]{8}(-uploads)?\.json")
#: end of the names of files that refer to uploads: only these are read to find references
WITH_UPLOADS = "-uploads.json"


class ResultNotHere(JobsError):
    """The row names a file that this host does not see."""


def keep(seq: int, attempt: int, text: str) -> str:
    """Write a result's JSON durably and return its name for the row. Raises OSError."""
    ending = WITH_UPLOADS if uploads.ID.search(text) else ".json"
    name = f"{seq // IN_ONE_FOLDER:06d}/{seq}-{attempt}-{secrets.token_hex(4)}{ending}"
    target = path(name)
    while True:
        make_folder(target.parent)
        try:
            _write(target, text.encode())
            return name
        except FileNotFoundError:  # its folder was empty, and has just been removed
            continue


def result_of(job: Job) -> Any:
    """Return the job's result, from its row or its file. Raises ResultNotHere."""
    return job.result if job.result_file is None else json.loads(read(job.result_file))


def read(name: str) -> bytes:
    """Return the JSON in a file. Raises ResultNotHere."""
    try:
        return path(name).read_bytes()
    except FileNotFoundError:
        raise ResultNotHere(
            f"the result's file {path(name)} is missing: if web and workers run on several hosts, "
            "set CALLBOARD_RESULTS_DIR to a folder that all of them share"
        ) from None


def path(name: str) -> Path:
    """Return the path of the file."""
    return get_settings().effective_results_dir / name


def delete_on_commit(session: Session, names: Sequence[str]) -> None:
    """Delete the files once the caller's transaction, which deletes their rows, has committed."""
    if names:
        event.listen(session, "after_commit", lambda _session: delete(names), once=True)


def delete(names: Iterable[str]) -> None:
    """Delete files; missing ones are ignored, and one that cannot be deleted does not keep the others."""
    for name in names:
        with guarded("result_not_deleted", file=name):
            path(name).unlink(missing_ok=True)
        with suppress(OSError):  # it still holds other files
            path(name).parent.rmdir()


def kept(*, batch: int = 500) -> Iterator[list[str]]:
    """Yield the names of all files in the folder, in batches."""
    for folder in sorted(entries(get_settings().effective_results_dir)):
        names = [f"{folder.name}/{entry.name}" for entry in entries(folder) if _NAME.fullmatch(entry.name)]
        for start in range(0, len(names), batch):
            yield names[start : start + batch]


def unnamed(session: Session, names: Sequence[str]) -> list[str]:
    """Return those of these files that no row names or will name: their attempt has ended otherwise, or their job is gone.

    A file whose attempt is still running is kept: its end may be waiting for SQL to come back.
    """
    seqs = {name: int(name.rpartition("/")[2].partition("-")[0]) for name in names}
    statement = select(Job.seq, Job.state, Job.attempt, Job.result_file).where(Job.seq.in_(set(seqs.values())))
    rows = {row.seq: row for row in session.execute(statement)}
    return [name for name in names if not _is_wanted(name, rows.get(seqs[name]))]


def _is_wanted(name: str, row: Any) -> bool:
    if row is None:
        return False
    attempt = int(name.rpartition("/")[2].split("-")[1])
    return row.result_file == name or (row.state is State.RUNNING and row.attempt == attempt)


def _write(target: Path, data: bytes) -> None:
    with open(target, "xb", opener=_private) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            sync_folder(target.parent)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o640)
