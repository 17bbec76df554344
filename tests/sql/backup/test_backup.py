"""Backups are complete or absent; a restored database is what it was, and safe from other processes' memory of later jobs."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text, update

from src.actors.accounts import UserAccount
from src.backup import creation, files, postgresql, restoring, sqlite
from src.backup.errors import BackupError
from src.backup.files import backups, manifest_path
from src.jobs import State, Upload, submit
from src.jobs.control.held import hold_foreign
from src.jobs.core.models import Job, Worker
from src.jobs.core.states import HeldFor
from src.jobs.files import result_files, uploads
from src.settings import get_settings
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import claim, claimed, ended, hired, in_state, look, message, settle, submitted
from tests.harness.services import Postgres, random_name
from tests.harness.stores import only_on

pytestmark = pytest.mark.both_stores


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def restored(database: Database, path: Path, folder: Path) -> restoring.Restored:
    """Restore over the database, which even this process must not be using."""
    database.engine.dispose()
    return restoring.restore(path, database.url.render_as_string(hide_password=False), folder, say=lambda _: None)


def count(database: Database, table: Any) -> int:
    with database.read() as session:
        return int(session.execute(select(func.count()).select_from(table)).scalar_one())


def add_users(database: Database, number: int) -> None:
    with database.write() as session:
        session.add_all(
            UserAccount(username=random_name("user"), email="a@example.com", password_hash="x", joined_at=now()) for _ in range(number)
        )


def test_what_was_there_comes_back_and_what_is_replaced_is_kept(database: Database, folder: Path) -> None:
    add_users(database, 30)
    ids = {state: in_state(database, state) for state in State if state is not State.RUNNING}
    with database.write() as session:  # the workers that in_state() hired
        session.execute(text("DELETE FROM workers"))
    path, manifest = creation.make(database, folder)
    assert manifest.counts["user_accounts"] == 30
    assert manifest.counts["jobs"] == len(ids)
    assert oct(path.stat().st_mode & 0o777) == oct(manifest_path(path).stat().st_mode & 0o777) == "0o600"
    add_users(database, 5)
    newer = submitted(database).id

    done = restored(database, path, folder)

    assert count(database, UserAccount) == 30
    assert {state: look(database, id).state for state, id in ids.items()} == {state: state for state in ids}
    with database.read() as session:
        assert session.execute(select(Job.seq).where(Job.id == newer)).first() is None
    assert done.replaced is not None
    assert done.replaced.name.startswith("before-restore-")
    restored(database, done.replaced, folder)
    assert count(database, UserAccount) == 35
    assert look(database, newer).state is State.QUEUED


def test_a_backup_shows_one_moment_while_others_write(database: Database, folder: Path) -> None:
    stop = threading.Event()

    def write_pairs() -> None:
        while not stop.is_set():
            add_users(database, 2)

    writers = [threading.Thread(target=write_pairs) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        made = [creation.make(database, folder) for _ in range(3)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    for path, manifest in made:
        restored(database, path, folder)
        assert count(database, UserAccount) == manifest.counts["user_accounts"]
        assert manifest.counts["user_accounts"] % 2 == 0, "half a transaction was copied"


@only_on("postgresql")  # SQLite knows no connections of others
def test_a_restore_waits_for_a_connection_that_ends_and_refuses_one_that_stays(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = creation.make(database, folder)
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as other:
        with pytest.raises(BackupError, match="1 connection uses the database"):
            restored(database, path, folder)

        asked = postgresql.others

        def closed_meanwhile(target: Database) -> int:
            found = asked(target)
            other.close()
            return found

        monkeypatch.setattr(postgresql, "others", closed_meanwhile)
        restored(database, path, folder)


def test_after_a_restore_nothing_that_others_remember_counts(database: Database, folder: Path) -> None:
    """Claims, numbers and messages of the time after the backup that still exist on other hosts and in the broker."""
    waiting = submitted(database, 1)
    at_work = claimed(database, hired(database, "killed:1"), 2)
    with database.write() as session:
        session.execute(text("UPDATE workers SET expires_at = heartbeat_at"))  # it was killed, and its loss is not noticed yet
    path, _ = creation.make(database, folder)
    zombie = hired(database, "zombie:1")
    held_by_zombie = claim(database, zombie, waiting.id)
    newer = claimed(database, zombie, 3)
    assert held_by_zombie is not None
    sent = message(4)
    with database.write() as session:
        session.execute(text("UPDATE workers SET expires_at = heartbeat_at"))

    restored(database, path, folder)

    # All rows are published again, including the running one; it has a lost attempt, but no crash.
    for id, attempts in ((waiting.id, 0), (at_work.id, 1)):
        job = look(database, id)
        assert (job.state, job.published_at, job.attempt, job.crashes) == (State.QUEUED, None, attempts, 0)
        assert job.publish_at is not None
    assert [attempt.outcome.value for attempt in look(database, at_work.id).attempts] == ["lost"]
    # The zombie's number is unused, and will not be reused: its reports, heartbeats and claims change nothing.
    fresh = hired(database, "fresh:1")
    assert fresh > zombie + 1000
    again = claim(database, fresh, waiting.id)
    assert again is not None
    assert again.attempt == held_by_zombie.attempt, "the same attempt by its number, but not the same lease"
    assert settle(database, zombie, ended(held_by_zombie), ended(newer)) == set()
    assert claim(database, zombie, at_work.id, 2) is None
    assert look(database, waiting.id).state is State.RUNNING
    assert settle(database, fresh, ended(again)) == {again.seq}
    # A confirm of a job that is forgotten marks no job of today.
    assert submitted(database, 5).created
    with database.read() as session:
        assert session.execute(select(func.max(Job.seq))).scalar_one() > newer.seq + 1000
    # A message of a forgotten job is held, even where foreign messages run; one that came later is foreign.
    sent = sent.copy(message_timestamp=int((now() - timedelta(minutes=1)).timestamp() * 1000))
    later = message(6).copy(message_timestamp=int((now() + timedelta(minutes=1)).timestamp() * 1000))
    with database.write() as session:
        hold_foreign(session, [("default", sent), ("default", later)], run=True)
    job = look(database, sent.message_id)
    assert (job.state, job.held_for) == (State.HELD, HeldFor.FOREIGN)
    assert "was restored at" in (job.reason or "")
    assert look(database, later.message_id).state is State.QUEUED


def test_a_damaged_backup_is_refused_and_nothing_changes(database: Database, folder: Path) -> None:
    add_users(database, 3)
    path, _ = creation.make(database, folder)
    add_users(database, 1)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-20] + bytes(20), b""):
        path.write_bytes(damaged)
        with pytest.raises(BackupError, match="was changed or broken"):
            restored(database, path, folder)
    path.write_bytes(whole)
    text_before = manifest_path(path).read_text()
    manifest_path(path).unlink()
    with pytest.raises(BackupError, match="is missing"):
        restored(database, path, folder)
    assert backups(folder) == [], "a copy without its manifest counts as none"
    manifest_path(path).write_text(text_before.replace('"schema": "', '"schema": "9'))
    with pytest.raises(BackupError, match="newer Callboard"):
        restored(database, path, folder)
    assert count(database, UserAccount) == 4


def test_a_restore_is_refused_while_a_worker_lives(database: Database, folder: Path) -> None:
    path, _ = creation.make(database, folder)
    hired(database, "somewhere:7")
    with pytest.raises(BackupError, match="Workers are alive: somewhere:7"):
        restored(database, path, folder)
    assert count(database, Worker) == 1


def test_a_restore_is_refused_while_another_program_uses_the_database(database: Database, folder: Path) -> None:
    path, _ = creation.make(database, folder)
    other = Database(database.url.render_as_string(hide_password=False))
    try:
        with other.read() as session:
            session.execute(select(Job.seq)).all()
            with pytest.raises(BackupError, match="use"):
                restored(database, path, folder)
    finally:
        other.engine.dispose()


def test_a_backup_that_cannot_be_written_leaves_nothing(database: Database, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(BackupError, match="cannot be written"):
        creation.make(database, blocked / "backups")
    never_migrated = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with never_migrated.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    with pytest.raises(BackupError, match="never been migrated"):
        creation.make(never_migrated, tmp_path / "backups")
    never_migrated.engine.dispose()
    assert list((tmp_path / "backups").iterdir()) == []


def test_old_backups_go_by_the_rule(database: Database, folder: Path) -> None:
    path, _ = creation.make(database, folder)
    for days in range(1, 80):
        stamp = f"{now() - timedelta(days=days):%Y%m%dT%H%M%SZ}"
        suffix = path.name.partition("Z")[2]
        for copy in (folder / f"callboard-{stamp}{suffix}", folder / f"callboard-{stamp}{suffix}.json"):
            copy.write_text("{}")
    (folder / "notes.txt").write_text("mine")

    gone = creation.prune(folder)

    assert len(gone) == 80 - len(backups(folder))
    assert 10 <= len(backups(folder)) <= 13
    assert path in [each for _, each in backups(folder)]
    assert (folder / "notes.txt").exists()
    assert len(list(folder.iterdir())) == 2 * len(backups(folder)) + 1


def test_results_in_files_come_back_into_an_empty_folder_and_go_with_their_last_backup(
    database: Database, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBOARD_RESULTS_DIR", str(tmp_path / "old"))
    get_settings.cache_clear()
    names = [result_files.keep(seq, 1, json.dumps("x" * seq)) for seq in (1, 1_001)]
    for name in names:
        id = in_state(database, State.SUCCEEDED)
        with database.write() as session:
            session.execute(update(Job).where(Job.id == id).values(result_file=name, result=None))
            session.execute(text("DELETE FROM workers"))
    path, _ = creation.make(database, folder)
    again, _ = creation.make(database, folder)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    monkeypatch.setenv("CALLBOARD_RESULTS_DIR", str(tmp_path / "new"))
    get_settings.cache_clear()
    (elsewhere / "results" / names[1]).unlink()

    done = restored(database, elsewhere / path.name, folder)

    assert (done.results, done.results_lost) == (1, 1)
    assert json.loads(result_files.read(names[0])) == "x"
    assert restored(database, path, folder).results == 1, "the one that was missing"

    monkeypatch.setattr(files, "GRACE_S", -1.0)
    for each in (path, again):
        creation.prune(folder)
        assert all((folder / "results" / name).exists() for name in names)
        manifest_path(each).unlink()
    for replaced in folder.glob("before-restore-*.json"):
        replaced.unlink()
    creation.prune(folder)
    assert list((folder / "results").iterdir()) == list(folder.glob("*.results")) == []


def test_files_of_jobs_come_back_with_a_backup(database: Database, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_UPLOADS_DIR", str(tmp_path / "old"))
    get_settings.cache_clear()
    monkeypatch.setenv("CALLBOARD_RESULTS_DIR", str(tmp_path / "results"))
    get_settings.cache_clear()
    given, piped, returned, nobodys = (
        Upload.of(io.BytesIO(content), name="a.txt") for content in (b"given", b"piped", b"returned", b"nobody's")
    )
    submitted(database, given.reference)
    with database.write() as session:
        submit(session, message(1, pipe_target=message(piped.reference).asdict()))
    worker = hired(database)
    one = claimed(database, worker, 2)
    name = result_files.keep(one.seq, one.attempt, json.dumps(returned.reference))
    settle(database, worker, ended(one, result_file=name, result_bytes=1))
    with database.write() as session:
        session.execute(text("DELETE FROM workers"))
    path, _ = creation.make(database, folder)
    monkeypatch.setenv("CALLBOARD_UPLOADS_DIR", str(tmp_path / "new"))
    get_settings.cache_clear()

    done = restored(database, path, folder)

    assert (done.uploads, done.uploads_lost) == (3, 0)
    assert [file.path.read_bytes() for file in (given, piped, returned)] == [b"given", b"piped", b"returned"]
    assert not uploads.path(nobodys.id).exists()
    monkeypatch.setattr(files, "GRACE_S", -1.0)
    creation.prune(folder)
    assert len(list((folder / "uploads").rglob("file_*"))) == 3
    for each in (*folder.glob("before-restore-*.json"), manifest_path(path)):
        each.unlink()
    creation.prune(folder)
    assert list((folder / "uploads").rglob("file_*")) == []


@only_on("sqlite")
def test_a_copy_of_one_store_does_not_go_into_the_other(database: Database, postgres: Postgres, folder: Path) -> None:
    path, _ = creation.make(database, folder)
    with pytest.raises(BackupError, match="another kind of database"):
        restoring.restore(path, postgres.url(), folder, say=lambda _: None)


def test_a_database_whose_pages_are_whole_and_whose_rows_are_not_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE orders (number); INSERT INTO orders VALUES (NULL); PRAGMA writable_schema = ON;"
            "UPDATE sqlite_schema SET sql = 'CREATE TABLE orders (number NOT NULL)' WHERE name = 'orders';"
        )
    with pytest.raises(BackupError, match=r"is damaged: NULL value in orders\.number"):
        sqlite.check(path)
