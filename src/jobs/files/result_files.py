"""Results too large for their row: each in a file of its own, which the row names.

The file is complete on the disk before the commit that names it, and is deleted after the commit that deletes its row.
So a row never names what is not there; a crash leaves a file that no row names, and `unnamed` finds it. Several hosts
must share the folder: what one writes, another reads.
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
from ..core.models import Job
from ..core.states import State
from .durable import entries, make_folder, sync_folder

#: jobs whose results share a folder: no file system likes a million names in one
IN_ONE_FOLDER = 1_000
#: the job's seq and the attempt that wrote it; the rest tells apart two processes that ran an attempt of one number
_NAME = re.compile(r"(\d+)-(\d+)-[0-9a-f]{8}\.json")


class ResultNotHere(JobsError):
    """The row names a file that this host does not see."""


def keep(seq: int, attempt: int, text: str) -> str:
    """Write a result's JSON, safe on the disk when this returns, and return its name for the row. Raises OSError."""
    name = f"{seq // IN_ONE_FOLDER:06d}/{seq}-{attempt}-{secrets.token_hex(4)}.json"
    target = path(name)
    while True:
        make_folder(target.parent)
        try:
            _write(target, text.encode())
            return name
        except FileNotFoundError:  # its folder was empty, and has just been tidied away
            continue


def result_of(job: Job) -> Any:
    """The job's result, from its row or its file. Raises ResultNotHere."""
    return job.result if job.result_file is None else json.loads(read(job.result_file))


def read(name: str) -> bytes:
    """The JSON in a file. Raises ResultNotHere."""
    try:
        return path(name).read_bytes()
    except FileNotFoundError:
        raise ResultNotHere(
            f"the result is in {path(name)}, which is not there: where web and workers run on several hosts, "
            "let CALLBOARD_RESULTS_DIR name a folder that all of them share"
        ) from None


def path(name: str) -> Path:
    """Where the file of this name is."""
    return get_settings().effective_results_dir / name


def delete_on_commit(session: Session, names: Sequence[str]) -> None:
    """Delete the files once the caller's transaction, which deletes their rows, has committed."""
    if names:
        event.listen(session, "after_commit", lambda _session: delete(names), once=True)


def delete(names: Iterable[str]) -> None:
    """Delete files; one that is gone already is none the less deleted."""
    for name in names:
        path(name).unlink(missing_ok=True)
        with suppress(OSError):  # others are in it
            path(name).parent.rmdir()


def kept(*, batch: int = 500) -> Iterator[list[str]]:
    """The names of all files in the folder, some at a time."""
    for folder in sorted(entries(get_settings().effective_results_dir)):
        names = [f"{folder.name}/{entry.name}" for entry in entries(folder) if _NAME.fullmatch(entry.name)]
        for start in range(0, len(names), batch):
            yield names[start : start + batch]


def unnamed(session: Session, names: Sequence[str]) -> list[str]:
    """Which of these files no row names, nor ever will: the attempt that wrote it has ended otherwise, or its job is gone.

    A file whose attempt is still running is left alone: its end may wait for SQL to come back.
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
