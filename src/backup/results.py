"""Results in files, which a database only names: kept once beside all backups that name them, and put back with them.

A result's file never changes and its name is never given twice, so a backup needs no copy of its own: a hard link where the
file system has them, else one copy for all. Beside each backup that names any lies a list of them.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import select

from src.backup.files import manifest_path, private
from src.database import Database
from src.jobs import result_files
from src.jobs.models import Job

#: the folder among the backups
FOLDER = "results"
#: what a copy is asked for
NAMES = "SELECT result_file FROM jobs WHERE result_file IS NOT NULL"
#: seconds that a file without a list is left alone: the backup that it belongs to may not be finished
GRACE_S = 24 * 3600.0


def keep(names: Iterable[str], path: Path) -> None:
    """Keep these results for the backup that will be at `path`. One whose job was pruned since the backup's moment is not missed."""
    names = sorted(names)
    if not names:
        return
    for name in names:
        with suppress(FileNotFoundError):
            _link(result_files.path(name), path.parent / FOLDER / name)
    with open(list_path(path), "w", opener=private) as file:
        file.writelines(f"{name}\n" for name in names)
        file.flush()
        os.fsync(file.fileno())


def put_back(database: Database, path: Path) -> tuple[int, int]:
    """Put back what the restored database names and the folder of results has not; return how many came, and how many are nowhere."""
    with database.read() as session:
        names = session.execute(select(Job.result_file).where(Job.result_file.is_not(None))).scalars().all()
    came = lost = 0
    for name in names:
        if name is None or result_files.path(name).exists():
            continue
        try:
            _link(path.parent / FOLDER / name, result_files.path(name))
            came += 1
        except FileNotFoundError:
            lost += 1
    return came, lost


def prune(folder: Path) -> None:
    """Delete the lists whose backup is gone, and the results that no list names any more."""
    wanted: set[str] = set()
    for listed in folder.glob("*.results"):
        backup = listed.with_suffix("")
        if manifest_path(backup).exists() or _age(listed) < GRACE_S:
            wanted.update(listed.read_text().split())
        else:
            listed.unlink(missing_ok=True)
    for file in (folder / FOLDER).glob("*/*.json"):
        if f"{file.parent.name}/{file.name}" not in wanted and _age(file) > GRACE_S:
            file.unlink(missing_ok=True)
            with suppress(OSError):  # others are in it
                file.parent.rmdir()


def list_path(path: Path) -> Path:
    """Where the list of a backup's results is."""
    return path.with_name(path.name + ".results")


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


def _age(file: Path) -> float:
    """Seconds since it came here: a link's content may be older."""
    return time.time() - file.stat().st_ctime
