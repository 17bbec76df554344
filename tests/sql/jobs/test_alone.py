"""A single job: its message is sent before the disk has its row, and its submitter gets the answer after that."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from src.broker.publish.group_commit import GroupCommit
from src.jobs import Submission, submit_many
from src.jobs.core import envelopes
from src.jobs.core.envelopes import Envelope
from src.jobs.core.models import Job
from src.jobs.submit import submission
from src.jobs.submit.requests import submission_of
from src.migrations import migrate
from src.sql import write_ahead_log
from src.sql.database import Database
from src.sql.outages import is_outage
from tests.harness.services import Postgres
from tests.harness.stores import only_on, using
from tests.sql.jobs.test_group_commit import stored
from tests.sql.jobs.test_group_commit import submission as asked

#: submissions after each of which the log is looked at
TRIES = 20

postgresql = only_on("postgresql")


@pytest.fixture(scope="module")
def alone() -> Iterator[Database]:
    """A database on a server of its own: nothing else writes into its log."""
    server = Postgres()
    try:
        server.start()
        migrate(server.url())
        opened = Database(server.url())
        commit(opened, "ALTER DATABASE postgres SET synchronous_commit = on")  # the tests' servers do not wait for the log otherwise
        yield opened
        opened.engine.dispose()
    finally:
        server.remove()


@pytest.fixture
def flushing(alone: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """That database, opened as this process's own."""
    with using(alone, monkeypatch):
        yield alone


def commit(database: Database, statement: str) -> None:
    """Do this, of which connections learn when they are made."""
    with database.write() as session:
        session.execute(text(statement))
    database.engine.dispose()


def unflushed(database: Database) -> bool:
    """True if the log holds anything that is not on disk."""
    with database.read() as session:
        return bool(session.execute(text("SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()")).scalar_one())


@pytest.mark.long
@pytest.mark.parametrize("alone_s", [0.0, 60.0], ids=["alone", "one of many"])
def test_the_disk_has_what_was_answered(flushing: Database, alone_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "ALONE_S", alone_s)
    gathering, late = GroupCommit(), 0
    for _ in range(TRIES):
        gathering.submit(asked())
        late += unflushed(flushing)

    # The server itself writes something now and then.
    assert late <= TRIES / 10


def test_the_message_of_one_that_comes_alone_does_not_wait_for_the_disk(flushing: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    handed_over: list[bool] = []
    monkeypatch.setattr(envelopes.publisher, "_part", lambda _: handed_over.append(unflushed(flushing)))
    # The barrier itself waits here until the message is on its way.
    monkeypatch.setattr(submission, "ALONE_S", 0.0)
    monkeypatch.setattr("src.sql.direct.FLUSH", "SELECT 1")
    gathering = GroupCommit()
    for _ in range(TRIES):
        gathering.submit(asked())

    assert sum(handed_over) >= TRIES / 2


def test_a_message_sets_off_when_everybody_sees_its_row(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(envelopes.publisher, "_part", lambda _: seen.append(stored(database)))
    for alone_s in (0.0, 60.0):
        monkeypatch.setattr(submission, "ALONE_S", alone_s)
        GroupCommit().submit(asked())

    assert seen == [1, 2]


@only_on("sqlite")
def test_sqlites_log_is_flushed_between_the_message_and_the_answer(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    sync = write_ahead_log._sync

    def flush(descriptor: int) -> None:
        happened.append(f"flush {Path(f'/proc/self/fd/{descriptor}').resolve()}")
        sync(descriptor)

    monkeypatch.setattr(write_ahead_log, "_sync", flush)
    monkeypatch.setattr(envelopes.publisher, "_part", lambda _: happened.append("message"))
    log = f"{database.url.database}-wal"

    one, delayed = asked(key="one"), submission_of(asked().message, delay=60_000)
    for wanted in (one, delayed, one):
        GroupCommit().submit(wanted)

    assert happened == ["message", *3 * [f"flush {log}"]]


@only_on("sqlite")
def test_a_disk_that_fails_is_told_to_the_submitter(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(write_ahead_log, "_sync", fail)
    one = asked(key="one")
    for _ in range(2):  # the second time its key leads to a row that may not be on disk
        with pytest.raises(OperationalError, match="disk I/O error") as failed:
            GroupCommit().submit(one)
        assert is_outage(failed.value)

    monkeypatch.undo()
    assert GroupCommit().submit(one).id == one.message.message_id
    assert stored(database) == 1


@only_on("sqlite")
def test_a_log_that_cannot_be_opened_is_found_before_there_is_a_job(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    database.engine.dispose()  # its connections have opened the log already
    with monkeypatch.context() as patched:
        patched.setattr(write_ahead_log, "open", full, raising=False)
        with pytest.raises(OperationalError, match="Too many open files") as failed:
            GroupCommit().submit(asked())
        assert is_outage(failed.value)

    assert stored(database) == 0
    GroupCommit().submit(asked())
    assert stored(database) == 1


@postgresql
def test_a_connection_that_dies_before_the_disk_has_it_makes_no_second_job(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[Envelope] = []
    monkeypatch.setattr(submission, "ALONE_S", 0.0)
    ends = itertools.chain([True], itertools.repeat(False))

    def hand_over(envelopes: list[Envelope]) -> None:
        published.extend(envelopes)
        if next(ends):
            with database.read() as session:
                others = "datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%callboard%'"
                session.execute(text(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {others}"))

    monkeypatch.setattr(envelopes.publisher, "_part", hand_over)
    one: Submission = asked()
    receipt = GroupCommit().submit(one)

    assert receipt.id == one.message.message_id
    assert [envelope.id for envelope in published] == [receipt.id]
    with database.read() as session:
        assert session.execute(select(func.count()).select_from(Job)).scalar_one() == 1


@pytest.mark.parametrize("alone_s", [0.0, 60.0], ids=["alone", "one of many"])
def test_the_disk_has_the_earlier_job_that_a_key_leads_to(flushing: Database, alone_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "ALONE_S", alone_s)
    late = 0
    for number in range(TRIES):
        with flushing.write() as session:
            session.execute(text("SET LOCAL synchronous_commit = off"))
            first = submit_many(session, [asked(key=f"key {number}")])[0]
        second = GroupCommit().submit(asked(key=f"key {number}"))
        late += unflushed(flushing)
        assert (second.id, second.created) == (first.id, False)

    assert late <= TRIES / 10
