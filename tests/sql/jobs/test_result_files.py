"""Result files: written before the row that names them, deleted after it; leftovers of a crash are found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from src.jobs import State
from src.jobs.control import actions
from src.jobs.files import result_files
from src.jobs.files.result_files import IN_ONE_FOLDER, ResultNotHere
from src.jobs.upkeep import retention
from src.settings import get_settings
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, claimed, ended, hired, look, settle

LARGE = json.dumps({"rows": ["ü" * 10] * 1_000})


@pytest.fixture(autouse=True)
def folder(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CALLBOARD_RESULTS_DIR", str(tmp_path / "shared" / "results"))
    get_settings.cache_clear()
    yield tmp_path / "shared" / "results"
    monkeypatch.undo()
    get_settings.cache_clear()


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.json")}


def orphans(database: Database) -> set[str]:
    """Return the files that the clean-up would delete."""
    with database.read() as session:
        return {name for names in result_files.kept(batch=1) for name in result_files.unnamed(session, names)}


def succeeded(database: Database, worker: int) -> str:
    one = claimed(database, worker)
    name = result_files.keep(one.seq, one.attempt, LARGE)
    assert settle(database, worker, ended(one, result_file=name, result_bytes=len(LARGE)))
    return one.id


@pytest.mark.both_stores
def test_a_job_names_the_file_of_its_result_and_reads_it_back(database: Database, folder: Path) -> None:
    job = look(database, succeeded(database, hired(database)))

    assert (job.state, job.result, job.result_bytes) == (State.SUCCEEDED, None, len(LARGE))
    assert files(folder) == {job.result_file}
    assert result_files.result_of(job) == json.loads(LARGE)
    assert (folder / str(job.result_file)).stat().st_mode & 0o007 == 0
    assert orphans(database) == set()


def test_a_small_result_is_read_from_its_row(database: Database) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    settle(database, worker, ended(one, result="[1,2]"))

    assert result_files.result_of(look(database, one.id)) == [1, 2]


def test_a_file_that_is_not_on_this_host_says_what_to_do(database: Database, folder: Path) -> None:
    job = look(database, succeeded(database, hired(database)))
    (folder / str(job.result_file)).unlink()

    with pytest.raises(ResultNotHere, match="set CALLBOARD_RESULTS_DIR to a folder that all of them share"):
        result_files.result_of(job)


def test_the_file_goes_when_its_row_has_gone_and_not_before(database: Database, folder: Path, time: StillClock) -> None:
    id = succeeded(database, hired(database))
    time.forward(15 * 86_400)
    session = database.session()
    with session, session.begin():
        assert retention.prune(session) == 1
        assert len(files(folder)) == 1
    assert files(folder) == set()
    assert not list(folder.iterdir()), "the empty folder is tidied away, too"

    kept = succeeded(database, hired(database))
    time.forward(15 * 86_400)
    with database.session() as session:
        retention.prune(session)
        session.rollback()
    assert files(folder) == {look(database, kept).result_file}
    assert id != kept


def test_a_file_without_a_row_that_names_it_is_found_but_not_while_its_attempt_may_still_end(database: Database, folder: Path) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    name = result_files.keep(one.seq, one.attempt, LARGE)
    assert orphans(database) == set(), "its end may be waiting for SQL"

    # The attempt ended otherwise: its worker was cut off, another attempt runs.
    settle(database, worker, ended(one, State.RETRYING, due_us=int(now().timestamp() * 1_000_000)))
    assert orphans(database) == {name}
    with database.write() as session:
        actions.run_now(session, one.id)
    again = claim(database, worker, one.id, 2)
    assert again is not None
    second = result_files.keep(again.seq, again.attempt, LARGE)
    assert orphans(database) == {name}
    settle(database, worker, ended(again, result_file=second, result_bytes=len(LARGE)))
    # Twice the same attempt, of which one has counted; and one of a job that is gone.
    double, stranger = result_files.keep(again.seq, again.attempt, LARGE), result_files.keep(again.seq + 10 * IN_ONE_FOLDER, 1, LARGE)
    (folder / "not ours").touch()
    not_a_result = str(Path(second).with_name("README.json"))
    (folder / not_a_result).touch()
    assert orphans(database) == {name, double, stranger}

    result_files.delete(orphans(database))

    assert files(folder) == {second, not_a_result}
    assert not (folder / stranger).parent.exists()


def test_a_disk_that_is_full_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    folder.mkdir(parents=True)
    (folder / "000000").mkdir()
    with pytest.raises(OSError, match="No space"):
        result_files.keep(1, 1, LARGE)
    assert files(folder) == set()


@pytest.mark.both_stores
def test_retention_of_other_jobs_is_not_held_up_by_a_file_that_is_gone(database: Database, folder: Path, time: StillClock) -> None:
    worker = hired(database)
    for _ in range(2):
        succeeded(database, worker)
    for path in list(folder.rglob("*.json"))[:1]:
        path.unlink()
    time.forward(timedelta(days=15).total_seconds())
    with database.write() as session:
        assert retention.prune(session) == 2
    assert files(folder) == set()


def test_retention_of_other_jobs_is_not_held_up_by_a_file_that_cannot_be_deleted(
    database: Database, folder: Path, time: StillClock
) -> None:
    worker = hired(database)
    for _ in range(3):
        succeeded(database, worker)
    stubborn, *_ = sorted(folder.rglob("*.json"))
    stubborn.unlink()
    stubborn.mkdir()  # as a file of another user: the tests may run as root
    time.forward(timedelta(days=15).total_seconds())
    with database.write() as session:
        assert retention.prune(session) == 3
    assert {folder / name for name in files(folder)} == {stubborn}
