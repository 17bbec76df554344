"""Direct SQL connections: commit, rollback, and a retry on a connection that had died unnoticed."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import QueuePool

from src.sql.database import Database, read, write
from src.sql.direct import Direct
from src.sql.engines import UNUSED_S
from src.sql.outages import is_outage
from src.sql.statements import Single
from tests.harness.stores import STORES, only_on
from tests.harness.waiting import eventually

pytestmark = pytest.mark.both_stores

_ADD = Single("INSERT INTO settings_of_test (name) VALUES (:name)")
_NAMES = Single("SELECT name FROM settings_of_test ORDER BY name")


on_sqlite, on_postgresql = (only_on(store) for store in STORES)


@pytest.fixture
def database(fresh_database: Database) -> Database:
    """A database of the test's own, with a table of its own: its connections are ended and counted."""
    with write() as session:
        session.execute(text("CREATE TABLE settings_of_test (name VARCHAR(20) PRIMARY KEY)"))
    return fresh_database


def add(direct: Direct, *names: str) -> None:
    for name in names:
        _ADD.fetch(direct, name=name)


def names(database: Database) -> list[str]:
    return [name for (name,) in database.direct.read(_NAMES.fetch)]


def test_what_is_written_is_committed(database: Database) -> None:
    database.direct.write(lambda direct: add(direct, "a%b"))
    with read() as session:
        assert session.execute(text("SELECT name FROM settings_of_test")).scalars().all() == ["a%b"]
    assert names(database) == ["a%b"]


def test_an_error_tells_no_parameters_and_leaves_the_next_alone(database: Database) -> None:
    database.direct.write(lambda direct: add(direct, "secret"))
    with pytest.raises(DBAPIError) as failed:
        database.direct.write(lambda direct: add(direct, "secret"))
    assert isinstance(failed.value, IntegrityError)
    assert "[parameters" not in str(failed.value)
    database.direct.write(lambda direct: add(direct, "b"))
    assert names(database) == ["b", "secret"]


@on_sqlite
def test_on_sqlite_it_is_all_or_nothing(database: Database) -> None:
    with pytest.raises(DBAPIError):
        database.direct.write(lambda direct: add(direct, "a", "b", "a"))
    assert names(database) == []


@on_sqlite
def test_a_writer_waits_for_sqlites_one_lock(database: Database) -> None:
    with database.write() as session:
        session.execute(text("INSERT INTO settings_of_test VALUES ('first')"))
        other = threading.Thread(target=lambda: database.direct.write(lambda direct: add(direct, "second")))
        other.start()
        assert names(database) == []  # readers wait for no writer
    other.join(timeout=30)
    assert names(database) == ["first", "second"]


@on_postgresql
def test_a_connection_that_died_is_replaced(database: Database) -> None:
    assert names(database) == []
    with database.write() as session:
        ended = session.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        )
        assert ended.scalars().all() == [True]
    database.direct.write(lambda direct: add(direct, "a"))
    assert names(database) == ["a"]


def test_a_server_that_is_away_is_an_outage() -> None:
    away = Database("postgresql+psycopg://callboard@127.0.0.1:1/nowhere")
    with pytest.raises(DBAPIError) as refused:
        away.direct.read(_NAMES.fetch)
    assert is_outage(refused.value)
    away.engine.dispose()


@on_postgresql
def test_they_close_with_the_engine(database: Database) -> None:
    names(database)
    database.engine.dispose()
    with database.read() as session:
        count = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        eventually(lambda: session.execute(count).scalar_one() == 1)


@on_postgresql
def test_one_that_is_in_use_then_closes_when_it_is_done(database: Database) -> None:

    def look(direct: Direct) -> list[str]:
        database.engine.dispose()
        return [name for (name,) in _NAMES.fetch(direct)]

    assert database.direct.read(look) == []
    with database.read() as session:
        count = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        eventually(lambda: session.execute(count).scalar_one() == 1)


def test_a_connection_that_was_needed_once_is_closed_after_a_while(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = database.direct

    def need(count: int) -> None:
        if count:
            connections.read(lambda _direct: need(count - 1))

    need(3)
    assert len(connections._idle) == 3
    need(1)
    assert len(connections._idle) == 3  # not at once

    present = time.monotonic()
    monkeypatch.setattr("src.sql.direct.time", SimpleNamespace(monotonic=lambda: present + UNUSED_S - 1))
    need(1)
    monkeypatch.setattr("src.sql.direct.time", SimpleNamespace(monotonic=lambda: present + UNUSED_S + 1))
    need(1)
    need(1)
    assert len(connections._idle) == 1  # the one in use
    need(1)
    assert len(connections._idle) == 1
    assert names(database) == []


def test_so_is_a_connection_of_the_pool(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = cast(QueuePool, database.engine.pool)

    def need(count: int) -> None:
        if count:
            with database.read() as session:
                assert session.execute(text("SELECT 1")).scalar_one() == 1
                need(count - 1)

    def at(seconds: float) -> None:
        monkeypatch.setattr("src.sql.engines.time", SimpleNamespace(monotonic=lambda: present + seconds, sleep=time.sleep))

    present = time.monotonic()
    need(4)
    assert pool.checkedin() == 4
    at(UNUSED_S - 1)
    need(1)
    assert pool.checkedin() == 4
    at(UNUSED_S + 1)
    for left in (3, 2, 1, 1):
        need(1)
        assert pool.checkedin() == left
    assert pool.checkedout() == 0
    assert pool.overflow() == 1 - pool.size()  # the count of open connections goes down with them
    need(3)
    assert pool.checkedin() == 3
