"""`./run reset` deletes the data folder of a stopped Callboard, and keeps its backups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from src.cli.machine import processes
from src.jobs.leases import heartbeats
from src.jobs.leases.heartbeats import Role
from src.up.data.data_folder import Folder
from tests.harness.jobs import hired
from tests.sql.cli.conftest import Terminal


@pytest.fixture
def folder(terminal: Terminal, tmp_path: Path) -> Folder:
    """A data folder that ./run up has made, with one backup."""
    made = Folder(tmp_path)
    assert made.hold()
    made.release()
    terminal.run("backup")
    (made.path / "results").mkdir()
    (made.path / "results" / "one").write_text("1")
    return made


def test_the_backups_stay_and_are_named(terminal: Terminal, folder: Folder) -> None:
    [manifest] = folder.path.glob("backups/*.json")
    said = terminal.run("reset", "--yes")
    assert said == f"Deleted {folder.path}, but not its 1 backup. ./run reset --backups  deletes them, too."
    assert manifest.exists()
    assert {path.name for path in folder.path.iterdir()} == {"backups", "up.lock"}
    assert terminal.run("reset", "--yes", "--backups") == f"Deleted {folder.path}"
    assert not folder.path.exists()


def test_the_question_names_the_number_of_backups(terminal: Terminal, folder: Folder) -> None:
    assert "but not its 1 backup?" in terminal.prints("reset", code=1)
    assert "and its 1 backup?" in terminal.prints("reset", "--backups", code=1)
    assert (folder.path / "callboard.db").exists()


def test_backups_elsewhere_and_in_the_folder_itself_stay(
    terminal: Terminal, folder: Folder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    terminal.environment["CALLBOARD_BACKUP_DIR"] = str(folder.path)
    terminal.run("backup")
    assert f"The backups are in {folder.path} itself" in terminal.run("reset", "--yes", code=1)
    terminal.environment["CALLBOARD_BACKUP_DIR"] = str(elsewhere)
    terminal.run("backup")
    terminal.run("reset", "--yes", "--backups")
    assert not folder.path.exists()
    assert len(list(elsewhere.glob("*.json"))) == 1


def test_it_is_refused_while_a_heartbeat_or_a_worker_lives(terminal: Terminal, folder: Folder) -> None:
    with terminal.database.write() as session:
        id = heartbeats.register(session, Role.SCHEDULER, lease_s=60)
    assert "is alive" in terminal.run("reset", "--yes", code=1)
    with terminal.database.write() as session:
        heartbeats.sign_off(session, id)
    hired(terminal.database)
    terminal.database.engine.dispose()
    assert "is alive" in terminal.run("reset", "--yes", code=1)
    assert (folder.path / "callboard.db").exists()


def test_it_is_refused_while_a_process_has_the_database_open(terminal: Terminal, folder: Folder) -> None:
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM jobs').fetchall(); print(flush=True); input()"
    )
    command = [sys.executable, "-c", program, str(folder.path / "callboard.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert "is in use" in terminal.run("reset", "--yes", code=1)
        other.communicate(b"\n")
    assert (folder.path / "callboard.db").exists()


def test_a_process_in_the_foreground_holds_the_folder_also_after_exec(terminal: Terminal, folder: Folder) -> None:
    program = "import os, sys; from pathlib import Path; from src.up.data.data_folder import Folder; Folder(Path(sys.argv[1])).use(); os.execvp('cat', ['cat'])"
    with subprocess.Popen([sys.executable, "-c", program, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(b"\n")
        other.stdin.flush()
        other.stdout.readline()
        assert folder.is_used()
        assert "Callboard runs in" in terminal.run("reset", "--yes", code=1)
        other.stdin.close()
    assert not folder.is_used()


@pytest.mark.parametrize("verb", ["web", "worker", "scheduler"])
def test_the_processes_hold_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verb: str) -> None:
    used = list[Path]()

    def use(folder: Folder) -> None:
        used.append(folder.path)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "environ", {**os.environ, "CALLBOARD_DATA_DIR": str(tmp_path)})
    monkeypatch.setattr(Folder, "use", use)
    command = getattr(processes, verb)
    with pytest.raises(KeyboardInterrupt):
        command.callback(**({} if verb != "worker" else {"threads": None, "queues": None}))
    assert used == [tmp_path]
