"""Database outages: recognised by SQLSTATE and SQLite's codes, not by the class of an exception."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import exc

from src.configuration.database_url import parse
from src.sql import outages
from src.sql.direct import as_sqlalchemys
from src.sql.engines import is_left, postgresql_engine
from src.sql.outages import is_outage, log_outage

DIALECT = postgresql_engine(parse("postgresql://here/db"), 1, 0).dialect
AWAY = (
    "08000", "08001", "08003", "08004", "08006", "25006", "25P03", "28P01", "3D000", "40001", "40P01", "53100", "53200", "53300", "55P03", "57014",
    "57P01", "57P02", "57P03", "57P05", "58030",
)  # fmt: skip
OURS = (
    "22001",
    "22003",
    "22P05",
    "23505",
    "25P02",
    "42501",
    "42601",
    "42P01",
    "42703",
    "54000",
    "54001",
    "54011",
    "0A000",
    "XX000",
    "XX001",
    "P0001",
)


def raised(state: str) -> exc.DBAPIError:
    """Return SQLAlchemy's error for the server's error with this SQLSTATE."""
    return as_sqlalchemys(psycopg.errors.lookup(state)("no"), "SELECT", DIALECT, None)


@pytest.mark.parametrize("state", AWAY)
def test_a_server_that_is_away_busy_or_read_only_is_an_outage(state: str) -> None:
    assert is_outage(raised(state))
    assert is_outage(psycopg.errors.lookup(state)("as the driver raises it"))


@pytest.mark.parametrize("state", OURS)
def test_what_no_other_attempt_cures_is_none(state: str) -> None:
    assert not is_outage(raised(state))


def test_without_a_sqlstate_it_is_the_way_to_the_server_that_failed() -> None:
    assert is_outage(psycopg.OperationalError("connection refused"))
    assert is_outage(exc.TimeoutError("QueuePool limit of size 20 overflow 100 reached"))
    assert not is_outage(psycopg.ProgrammingError("the query has 0 placeholders"))
    assert not is_outage(TimeoutError("somebody else's"))


@pytest.mark.parametrize("state", ["25006", "57P01", "57P02", "57P03"])
def test_connections_to_a_server_that_turns_away_writes_are_given_up(state: str) -> None:
    assert is_left(psycopg.errors.lookup(state)())
    assert raised(state).connection_invalidated
    assert not raised("40001").connection_invalidated


def _full(folder: Path) -> None:
    connection = sqlite3.connect(folder / "full.db")
    try:
        connection.execute("PRAGMA max_page_count = 2")
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    finally:
        connection.close()


def _locked(folder: Path) -> None:
    one, other = (sqlite3.connect(folder / "locked.db", timeout=0, isolation_level=None) for _ in range(2))
    try:
        one.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
    finally:
        one.close()
        other.close()


def _not_there(folder: Path) -> None:
    sqlite3.connect(f"file:{folder}/nothing.db?mode=ro", uri=True)


def _no_table(folder: Path) -> None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("SELECT * FROM missing")
    finally:
        connection.close()


@pytest.mark.parametrize(("fail", "away"), [(_full, True), (_locked, True), (_not_there, True), (_no_table, False)])
def test_sqlite_calls_all_of_them_operational_errors(fail: Callable[[Path], None], away: bool, tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as found:
        fail(tmp_path)

    assert is_outage(found.value) is away


def test_an_outage_is_logged_once_a_cause_with_the_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[dict[str, Any]] = []

    class Log:
        def warning(self, event: str, **fields: Any) -> None:
            lines.append({"event": event, **fields})

    monkeypatch.setattr(outages, "_noted", {})
    for _ in range(50):
        log_outage(Log(), "relay_waits_for_sql", raised("57P03"))
    log_outage(Log(), "relay_waits_for_sql", raised("25006"))
    monkeypatch.setattr(outages, "AGAIN_S", 0.0)
    for _ in range(2):
        log_outage(Log(), "relay_waits_for_sql", raised("25006"), jobs=3)

    assert [line.get("count") for line in lines] == [None, None, None, None]
    assert ["57P03" in line["detail"] for line in lines] == [True, False, False, False]
    monkeypatch.setattr(outages, "AGAIN_S", 60.0)
    log_outage(Log(), "relay_waits_for_sql", raised("25006"))
    monkeypatch.setattr(outages, "AGAIN_S", 0.0)
    log_outage(Log(), "relay_waits_for_sql", raised("25006"))
    assert lines[-1]["count"] == 2


def test_an_outage_after_a_quiet_half_minute_is_logged_as_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no later success is reported, a second outage within a minute would not be logged."""
    events: list[dict[str, Any]] = []

    class Log:
        def warning(self, event: str, **fields: Any) -> None:
            events.append(fields)

    present = 1000.0
    monkeypatch.setattr(outages, "_noted", {})
    monkeypatch.setattr(time, "monotonic", lambda: present)
    for pause_s in (0, 20, 20, outages.QUIET_S, 10):
        present += pause_s
        log_outage(Log(), "ends_wait_for_sql", raised("57P03"))

    assert len(events) == 2
    assert all("count" not in fields for fields in events)
