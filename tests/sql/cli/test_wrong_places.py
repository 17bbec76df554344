"""Commands on a database or a data folder that cannot be used end with the cause and the cure."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError

from src.settings import Settings
from src.sql.database import Database
from src.sql.engines import SQLITE_BUSY_TIMEOUT_MS
from src.up.data import ports
from tests.harness import fork_server
from tests.sql.cli.conftest import Terminal


def complaint(terminal: Terminal, *words: str, **environment: str) -> str:
    """The one or two lines with which a command ends."""
    done = fork_server.server().run(["-m", "src", *words], {**terminal.environment, **environment})
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) <= 3, done.stderr
    return done.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    "words", [("jobs",), ("submit", "add", "--args", "[1, 2]"), ("pause", "all"), ("schedules",), ("workers",)], ids=" ".join
)
def test_a_database_without_tables_is_to_be_migrated(terminal: Terminal, tmp_path: Path, words: tuple[str, ...]) -> None:
    told = complaint(terminal, *words, CALLBOARD_DATA_DIR=str(tmp_path / "new"))
    assert told == "✘ The database has no tables of Callboard yet.\nMake them:  ./run migrate\n"


def test_a_database_that_is_away_is_named_without_its_password(terminal: Terminal) -> None:
    port = ports.anywhere(["database"])["database"]
    told = complaint(terminal, "jobs", CALLBOARD_DATABASE_URL=f"postgresql://ada:planted@127.0.0.1:{port}/x")
    assert f"127.0.0.1:{port}/x cannot be used" in told
    assert "Connection refused" in told
    assert "planted" not in told


def test_a_file_that_is_no_database_is_named(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("These are notes. " * 200)
    told = complaint(terminal, "jobs", CALLBOARD_DATABASE_URL=f"sqlite:///{tmp_path}/notes.txt")
    assert f"The database sqlite:///{tmp_path}/notes.txt cannot be used: file is not a database" in told


def test_only_a_lock_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("These are notes. " * 200)
    begun = time.monotonic()
    with pytest.raises(DatabaseError, match="not a database"):
        Database(f"sqlite:///{tmp_path}/notes.txt").engine.connect()
    assert time.monotonic() - begun < SQLITE_BUSY_TIMEOUT_MS / 1000


@pytest.mark.parametrize("inner", ["", "/below"])
@pytest.mark.parametrize("words", [("jobs",), ("migrate",)], ids=" ".join)
def test_a_data_folder_that_is_a_file_is_named(terminal: Terminal, tmp_path: Path, words: tuple[str, ...], inner: str) -> None:
    (tmp_path / "file").write_text("")
    assert f"{tmp_path}/file{inner}" in complaint(terminal, *words, CALLBOARD_DATA_DIR=f"{tmp_path}/file{inner}")


def test_a_tilde_is_the_home_folder_where_no_shell_replaces_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings(data_dir=Path("~/callboard"), backup_dir="~/backups", results_dir="~/results", uploads_dir="~/uploads")
    assert settings.data_dir == tmp_path / "callboard"
    assert settings.effective_backup_dir == tmp_path / "backups"
    assert settings.effective_results_dir == tmp_path / "results"
    assert settings.effective_uploads_dir == tmp_path / "uploads"
    with pytest.raises(ValueError, match="names a home folder that cannot be found"):
        Settings(data_dir=Path("~nobody-has-this-name/x"))


def test_a_user_without_a_name_has_a_number(terminal: Terminal) -> None:
    # Containers run with a user number that no file of the system knows.
    program = "import pwd, sys; pwd.getpwuid = lambda number: {}[number]; sys.argv[0] = 'run'; from src.__main__ import main; main()"
    nameless = {name: value for name, value in terminal.environment.items() if name not in ("LOGNAME", "USER", "LNAME", "USERNAME")}
    done = fork_server.server().run(["-c", program, "pause", "queue:default"], nameless)
    assert done.returncode == 0, done.stderr
    assert f"uid-{os.getuid()}" in terminal.run("pauses")
