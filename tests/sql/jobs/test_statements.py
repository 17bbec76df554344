"""Batch: rows of every kind of value reach the statement unchanged, on both stores."""

from __future__ import annotations

import re
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from src.jobs.finish import ending
from src.jobs.leases import claims
from src.jobs.relay import confirmations
from src.sql.database import Database
from src.sql.direct import Direct, pipeline
from src.sql.outages import is_outage
from src.sql.statements import Batch
from tests.harness.jobs import submitted
from tests.harness.stores import only_on

pytestmark = pytest.mark.both_stores

ECHO = Batch({"number": "bigint", "word": "text", "truth": "boolean"}, "SELECT d.number, d.word, d.truth FROM {rows} ORDER BY d.number")
words = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
awkward = st.sampled_from(["", "NULL", "null", "{}", '{"a": [1]}', '"', "\\", '\\"', ",", " ", "a,b", "\n", "None", "%s", ":name"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(words | awkward | st.none(), st.booleans() | st.none()), max_size=8))
def test_values_arrive_as_they_were_given(database: Database, values: list[tuple[str | None, bool | None]]) -> None:
    rows = [(2**40 + number, word, truth) for number, (word, truth) in enumerate(values)]

    with database.read() as session:
        found = ECHO.execute(session, rows)

    assert [tuple(row) for row in found] == rows
    assert [database.direct.read(partial(ECHO.execute, rows=[row])) for row in rows] == [[row] for row in rows]


INSTANTS = Batch({"us": "bigint"}, "SELECT d.us, #(l.at) FROM {rows} JOIN (SELECT @(:at) AS at) AS l ON true")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 4_200_000_000_000_000))
def test_an_instant_keeps_its_microseconds(database: Database, us: int) -> None:
    """Until 2103: PostgreSQL computes with floats."""
    assert database.direct.read(partial(INSTANTS.execute, rows=[(us,)], at=us)) == [(us, us)]


@only_on("postgresql")
def test_a_text_that_postgresql_cannot_hold_is_refused_and_not_cut_off(database: Database) -> None:
    with pytest.raises(DBAPIError, match="NUL"):
        database.direct.read(partial(ECHO.execute, rows=[(1, "before\x00after", True)]))


def test_a_number_may_be_missing(database: Database) -> None:
    with database.read() as session:
        found = ECHO.execute(session, [(1, "a", True), (None, "b", False)])

    assert {tuple(row) for row in found} == {(1, "a", True), (None, "b", False)}


@only_on("postgresql")
@pytest.mark.parametrize("batch", [claims._CLAIM, ending._SUCCESSES.move, confirmations._MARK], ids=["claim", "end", "mark"])
@pytest.mark.parametrize("rows", [1, 2])
def test_no_plan_for_a_small_table_scans_it_after_it_has_grown(fresh_database: Database, batch: Batch, rows: int) -> None:
    """On its direct connections PostgreSQL keeps a plan; what it has cost while there were three jobs, it costs for a million."""
    database = fresh_database  # pages that earlier tests have left in an index would make another one cheaper
    for _ in range(3):
        submitted(database)
    with database.write() as session:
        session.execute(text("ANALYZE jobs"))
    statement = batch.postgresql_one if rows == 1 else batch.postgresql
    values = {"worker_id": 1, "worker": "w", "now": 0} | {
        name: ("x" if kind == "text" else 1) if rows == 1 else "{}" for name, kind in batch.columns.items()
    }

    def plan(direct: Direct) -> str:
        return "\n".join(row[0] for row in direct.fetch(f"EXPLAIN {statement}", values))

    told = database.direct.read(plan)

    assert "Seq Scan on jobs" not in told
    assert re.search(r"Index Scan using jobs_(pkey|id_key) on jobs", told), told
    assert database.direct.read(lambda direct: direct.fetch("SHOW plan_cache_mode", {})) == [("force_generic_plan",)]
    with database.read() as session:
        assert session.execute(text("SHOW plan_cache_mode")).scalar_one() == "force_custom_plan"


@only_on("postgresql")  # SQLite has no trip to wait for
def test_an_error_among_statements_that_were_sent_ahead_is_the_one_of_its_statement(database: Database) -> None:
    taken: list[list[tuple[int]]] = []
    divisors = ({"by": number} for number in (1, 2, 4, 0, 1, 1, 1))
    with pytest.raises(DBAPIError, match="division by zero") as refused, database.write() as session:
        pipeline(session.connection(), "SELECT 8 / %(by)s::int", divisors, taken.append)

    assert taken[0] == [(8,)]
    assert not is_outage(refused.value)
    with database.write() as session:
        assert session.execute(text("SELECT 1")).scalar_one() == 1


@only_on("postgresql")
def test_a_connection_lost_among_statements_that_were_sent_ahead_is_an_outage_and_the_next_is_another(database: Database) -> None:
    submitted(database)
    with database.session() as session:
        session.execute(text("DELETE FROM jobs"))
        connection, end = session.connection(), "SELECT CASE WHEN %(end)s::bool THEN pg_terminate_backend(pg_backend_pid()) END"
        with pytest.raises(DBAPIError) as lost:
            pipeline(connection, end, ({"end": number == 3} for number in range(9)), lambda _: None)

    assert is_outage(lost.value)
    with database.write() as session:
        assert session.execute(text("SELECT count(*) FROM jobs")).scalar_one() == 1
