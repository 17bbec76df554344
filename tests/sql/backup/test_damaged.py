"""A restore replaces a damaged database of SQLite, and keeps its files aside."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from src.backup import creation, restoring
from src.backup.errors import BackupError
from src.sql.database import Database
from tests.harness.jobs import look, submitted
from tests.harness.stores import only_on


def _is_overwritten(file: Path) -> None:
    file.write_bytes(b"no database " * 5_000)


def _lost_its_middle(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:4_096] + b"\xff" * (len(whole) - 8_192) + whole[-4_096:])


def _has_a_damaged_table(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        [(root,)] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'jobs'")
    whole = bytearray(file.read_bytes())
    whole[(root - 1) * 4_096 : root * 4_096] = b"\xff" * 4_096
    file.write_bytes(whole)


def _lost_a_table(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE workers")


@only_on("sqlite")
@pytest.mark.parametrize("damage", [_is_overwritten, _lost_its_middle, _has_a_damaged_table, _lost_a_table])
def test_it_is_set_aside_under_a_name_that_is_told(fresh_database: Database, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    file, id = Path(str(fresh_database.url.database)), submitted(fresh_database).id
    path, _ = creation.make(fresh_database, tmp_path / "backups")
    fresh_database.engine.dispose()
    damage(file)
    broken, said = file.read_bytes(), list[str]()

    done = restoring.restore(path, f"sqlite:///{file}", tmp_path / "backups", say=said.append)

    assert look(fresh_database, id).id == id
    assert done.replaced is not None
    assert done.replaced.parent == file.parent
    assert done.replaced.read_bytes() == broken
    assert any(str(done.replaced) in line for line in said), said
    assert list((tmp_path / "backups").glob("before-restore*")) == []


@only_on("sqlite")
def test_it_stays_while_a_process_has_it_open(fresh_database: Database, tmp_path: Path) -> None:
    file = Path(str(fresh_database.url.database))
    path, _ = creation.make(fresh_database, tmp_path / "backups")
    fresh_database.engine.dispose()
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM jobs').fetchall(); print(flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        _is_overwritten(file)
        with pytest.raises(BackupError, match="is in use"):
            restoring.restore(path, f"sqlite:///{file}", tmp_path / "backups", say=lambda _: None)
        assert file.read_bytes().startswith(b"no database")
        other.communicate(b"\n")


@only_on("sqlite")
def test_a_backup_of_it_names_the_damage(fresh_database: Database, tmp_path: Path) -> None:
    file = Path(str(fresh_database.url.database))
    with fresh_database.write() as session:
        session.execute(text("SELECT 1"))
    fresh_database.engine.dispose()
    _is_overwritten(file)
    with pytest.raises(BackupError, match="is damaged"):
        creation.make(fresh_database, tmp_path / "backups")
